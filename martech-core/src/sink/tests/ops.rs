//! Operations and parameters for a run of the [model](super::model).

use proptest::{collection::vec, prelude::*};

use super::{super::batch::Load, *};

#[derive(Debug, Clone)]
pub(super) enum Op {
    TryPush(usize),
    TryPushBatch(usize, usize),
    /// Pushes several events one after the other, like a busy producer.
    Burst(usize, usize),
    Push(usize, Owner),
    PushBatch(usize, usize, Owner),
    Flush(usize, Owner),
    /// Polls a call that the model holds.
    Poll(usize),
    /// Drops a pending call of `push`, `push_batch`, `flush` or `close`.
    Cancel(usize),
    CloneHandle(usize),
    DropHandle(usize),
    DropReceipt(usize),
    /// Awaits a receipt in a separate task.
    AwaitReceipt(usize),
    /// Yields to the other tasks several times.
    Run(usize),
    Wait(u64),
    Close(usize, u64),
}

/// Owner of a call, which polls it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Task,
    /// Polled only by [`Op::Poll`].
    Model,
}

#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) max_batch: usize,
    pub(super) capacity: Load,
    pub(super) slots: usize,
    pub(super) interval: Duration,
    pub(super) linger: Duration,
    pub(super) min_concurrent_batch: usize,
}

fn op() -> impl Strategy<Value = Op> {
    let owner = || prop_oneof![Just(Owner::Task), Just(Owner::Model)];
    let any = || 0usize..16;
    prop_oneof![
        4 => any().prop_map(Op::TryPush),
        4 => (any(), owner()).prop_map(|(handle, owner)| Op::Push(handle, owner)),
        8 => (any(), 1usize..60).prop_map(|(handle, count)| Op::Burst(handle, count)),
        1 => (any(), 0usize..15).prop_map(|(handle, count)| Op::TryPushBatch(handle, count)),
        2 => (any(), 0usize..15, owner()).prop_map(|(handle, count, owner)| Op::PushBatch(handle, count, owner)),
        1 => (any(), owner()).prop_map(|(handle, owner)| Op::Flush(handle, owner)),
        3 => any().prop_map(Op::Poll),
        2 => any().prop_map(Op::Cancel),
        1 => any().prop_map(Op::CloneHandle),
        1 => any().prop_map(Op::DropHandle),
        1 => any().prop_map(Op::DropReceipt),
        1 => any().prop_map(Op::AwaitReceipt),
        4 => (1usize..12).prop_map(Op::Run),
        3 => (0u64..300).prop_map(Op::Wait),
    ]
}

/// Operations, each with a flag to check the statistics afterwards, and possibly one that closes the sink in between. A
/// check ends all reservations, so it must not follow every operation.
pub(super) fn ops() -> impl Strategy<Value = Vec<(Op, bool)>> {
    let close = (0usize..60, 0usize..16, 0u64..3_000);
    (vec((op(), any::<bool>()), 0..60), proptest::option::weighted(0.3, close)).prop_map(|(mut ops, close)| {
        if let Some((at, handle, millis)) = close {
            ops.insert(at.min(ops.len()), (Op::Close(handle, millis), false));
        }
        ops
    })
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let max_batch = prop_oneof![Just(1usize), Just(5), Just(40), Just(1_000)];
    let capacity = prop_oneof![Just((12, 40)), Just((70, 200)), Just((70, 1_000))];
    let interval = prop_oneof![Just(Duration::ZERO), (1u64..200).prop_map(Duration::from_millis)];
    let linger = prop_oneof![Just(Duration::ZERO), (1u64..300).prop_map(Duration::from_millis)];
    let shape = (max_batch, capacity, 1usize..4, interval, linger, 1usize..30);
    shape.prop_map(|(max_batch, (events, bytes), slots, interval, linger, min_concurrent_batch)| Shape {
        max_batch,
        capacity: Load { events, bytes },
        slots,
        interval,
        linger,
        min_concurrent_batch,
    })
}

pub(super) fn reaction() -> impl Strategy<Value = Reaction> {
    let millis = |range| (0u64..range).prop_map(Duration::from_millis);
    prop_oneof![
        8 => Just(Reaction::Take),
        4 => millis(200).prop_map(Reaction::TakeAfter),
        1 => millis(900_000).prop_map(Reaction::TakeAfter),
        3 => Just(Reaction::Retry),
        1 => millis(20_000).prop_map(Reaction::RetryAfter),
        2 => vec(0usize..5, 0..3).prop_map(Reaction::Duplicates),
        2 => vec(0usize..5, 0..3).prop_map(Reaction::Reject),
    ]
}

/// `None` in half of the cases.
pub(super) fn disaster() -> impl Strategy<Value = Option<Reaction>> {
    let lies = [
        BrokenAnswer::TooMany,
        BrokenAnswer::TooFew,
        BrokenAnswer::OutOfRange,
        BrokenAnswer::NamedTwice,
        BrokenAnswer::DuplicateAndRejected,
    ];
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Reaction::Fatal)),
        1 => Just(Some(Reaction::Panic)),
        2 => proptest::sample::select(lies.to_vec()).prop_map(|lie| Some(Reaction::BrokenAnswerFor(lie))),
    ]
}
