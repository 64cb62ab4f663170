//! The life of runs, end to end, on real repositories.

mod access;
mod apart;
mod beside;
mod cast;
mod commands;
mod commits;
mod delete;
mod faults;
mod floods;
mod kill;
mod lies;
mod loose;
mod orphans;
mod queue;
mod race;
mod rules;
mod rules_live;
mod stage;
mod states;
mod story;
mod strangers;
mod unrestored;
mod uploads;
