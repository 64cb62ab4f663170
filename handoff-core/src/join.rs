//! Waiting for several futures at once, and working on several threads.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

enum Slot<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(Option<F::Output>),
}

/// The results of `futures`, which run side by side, in their order. For few futures: each wake-up polls all.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut slots: Vec<_> = futures.into_iter().map(|future| Slot::Waiting(Box::pin(future))).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in &mut slots {
            if let Slot::Waiting(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *slot = Slot::Done(Some(output)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let output = |slot| match slot {
        Slot::Done(output) => output,
        Slot::Waiting(_) => None,
    };
    slots.into_iter().filter_map(output).collect()
}

/// Does `mine` on this thread and each of `others` on one of its own. A panic of any goes on here.
///
/// This thread works instead of waiting, so that there need be no more threads than cores: with one more, two that work came to
/// share one of two cores for as long as they worked (seen with `perf sched`).
pub(crate) fn threads<M, T: Send, W: FnOnce() -> T + Send>(
    mine: impl FnOnce() -> M,
    others: impl IntoIterator<Item = W>,
) -> (M, Vec<T>) {
    std::thread::scope(|scope| {
        let others: Vec<_> = others.into_iter().map(|work| scope.spawn(work)).collect();
        let mine = mine();
        let theirs = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        (mine, theirs.collect())
    })
}

/// Does `mine` on this thread and `other` on one of its own.
pub(crate) fn pair<M, T: Send>(mine: impl FnOnce() -> M, other: impl FnOnce() -> T + Send) -> (M, T) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        (mine(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// As [`threads`], where each gives a share of one list; they are joined in order, unless one failed.
pub(crate) fn shares<T: Send, E: Send, W: FnOnce() -> Result<Vec<T>, E> + Send>(
    mine: impl FnOnce() -> Result<Vec<T>, E>,
    others: impl IntoIterator<Item = W>,
) -> Result<Vec<T>, E> {
    let (mine, others) = threads(mine, others);
    let mut all = mine?;
    for share in others {
        all.extend(share?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, yield_now};

    #[test]
    fn shares_are_joined_in_order_and_the_first_failure_is_told() {
        let share = |number| move || if number < 9 { Ok(vec![number, number]) } else { Err(number) };
        assert_eq!(super::shares(share(1), [2, 3].map(share)), Ok(vec![1, 1, 2, 2, 3, 3]));
        assert_eq!(super::shares(share(1), [0; 0].map(share)), Ok(vec![1, 1]));
        assert_eq!(super::shares(share(1), [9, 10].map(share)), Err(9));
        assert_eq!(super::shares(share(11), [9].map(share)), Err(11));
    }

    #[test]
    fn results_come_in_order_whoever_is_first() {
        let futures = (0..5).map(|number| async move {
            for _ in number..5 {
                yield_now().await;
            }
            number
        });
        assert_eq!(block_on(super::all(futures)), [0, 1, 2, 3, 4]);
        assert!(block_on(super::all(Vec::<std::future::Ready<()>>::new())).is_empty());
    }
}
