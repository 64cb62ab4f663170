//! Who may continue a run, and where a follow-up goes: every combination there is, as data, against a plain
//! statement of the rules that shares nothing with the code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use handoff_core::{ContinueQuery, LeaseState, Origin, Owner, Relation, Route, RunState, decide, route};

const RELATIONS: [Relation; 5] = [
    Relation::Creator,
    Relation::TeamMember,
    Relation::SameOrganisation,
    Relation::Outsider,
    Relation::Anonymous,
];
const OWNERS: [Owner; 2] = [Owner::Personal, Owner::Team];
const ORIGINS: [Origin; 4] = [Origin::Cloud, Origin::LocalToCloud, Origin::Schedule, Origin::Integration];
const STATES: [RunState; 7] = [
    RunState::Queued,
    RunState::Running,
    RunState::Blocked,
    RunState::Succeeded,
    RunState::Failed,
    RunState::Cancelled,
    RunState::BudgetExhausted,
];
const LEASES: [LeaseState; 3] = [LeaseState::Free, LeaseState::Held, LeaseState::Expired];

fn every_query() -> Vec<ContinueQuery> {
    let mut all = Vec::new();
    for relation in RELATIONS {
        for owner in OWNERS {
            for origin in ORIGINS {
                for state in STATES {
                    for conversation in [true, false] {
                        for snapshot in [true, false] {
                            for lease in LEASES {
                                let mut query =
                                    ContinueQuery::new(relation, owner, origin.clone(), state.clone());
                                (query.conversation, query.snapshot, query.lease) =
                                    (conversation, snapshot, lease);
                                all.push(query);
                            }
                        }
                    }
                }
            }
        }
    }
    all
}

/// The rules as they are written in the plan: first who, then when, then with what.
fn stated(query: &ContinueQuery) -> (&'static str, &'static str) {
    let creator = query.relation == Relation::Creator;
    let team_member_of_a_teams_run = query.relation == Relation::TeamMember && query.owner == Owner::Team;
    let began_on_a_laptop = query.origin == Origin::LocalToCloud;
    let may_know = creator || (team_member_of_a_teams_run && !began_on_a_laptop);
    if !may_know {
        return ("not_found", "refuse not_found");
    }
    let held = query.lease == LeaseState::Held;
    let vanished = query.state == RunState::Running && query.lease == LeaseState::Expired;
    let ended = [RunState::Succeeded, RunState::Failed, RunState::Cancelled, RunState::BudgetExhausted]
        .contains(&query.state);
    if query.state == RunState::Blocked {
        return ("blocked", "refuse blocked");
    }
    if query.state == RunState::Queued {
        return ("not_ended", if held { "deliver" } else { "append" });
    }
    if query.state == RunState::Running && !vanished {
        return ("not_ended", "deliver");
    }
    assert!(ended || vanished);
    match (query.conversation, held, query.snapshot) {
        (false, _, _) => ("no_conversation", "refuse no_conversation"),
        (true, true, _) => ("leased", "refuse leased"),
        (true, false, true) => ("allowed", "new session"),
        (true, false, false) => ("no_workspace_state", "new session without workspace"),
    }
}

fn routed(query: &ContinueQuery) -> String {
    match route(query) {
        Route::Deliver => "deliver".to_owned(),
        Route::AppendToPrompt => "append".to_owned(),
        Route::NewSession { workspace: true } => "new session".to_owned(),
        Route::NewSession { workspace: false } => "new session without workspace".to_owned(),
        Route::Refuse(reason) => format!("refuse {reason}"),
        other => format!("{other:?}"),
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[test]
fn every_row_is_what_the_rules_say_and_what_was_reviewed() {
    let mut table = String::from("relation,owner,origin,state,conversation,snapshot,lease,decision,route\n");
    let all = every_query();
    // The plan counts 2,880; the seventh state, a budget that is used up, came later.
    assert_eq!(all.len(), 3_360);
    for query in &all {
        let (decision, route) = (decide(query).to_string(), routed(query));
        assert_eq!((decision.as_str(), route.as_str()), stated(query), "{query:?}");
        let (conversation, snapshot) = (yes(query.conversation), yes(query.snapshot));
        writeln!(
            table,
            "{:?},{:?},{},{},{conversation},{snapshot},{:?},{decision},{route}",
            query.relation, query.owner, query.origin, query.state, query.lease
        )
        .unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/access.csv");
    if std::env::var_os("HANDOFF_BLESS").is_some() {
        fs::write(&golden, &table).unwrap();
    }
    let reviewed = fs::read_to_string(&golden).unwrap();
    let differs = table.lines().zip(reviewed.lines()).find(|(is, was)| is != was);
    assert_eq!(differs, None, "the rules changed; review them and run again with HANDOFF_BLESS=1");
    assert_eq!(table.lines().count(), reviewed.lines().count());
}

#[test]
fn whoever_may_not_know_of_a_run_gets_one_answer_whatever_its_state() {
    for query in every_query() {
        if matches!(query.relation, Relation::SameOrganisation | Relation::Outsider | Relation::Anonymous) {
            assert_eq!((decide(&query).as_str(), routed(&query).as_str()), ("not_found", "refuse not_found"));
        }
    }
}
