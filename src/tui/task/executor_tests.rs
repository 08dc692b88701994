use super::super::mailbox::{Mailbox, mailbox};
use super::*;
use crate::domain::{JobId, ServerId};
use crate::tui::model::{Act, Ended};
use tokio::sync::mpsc;

/// Effects that began, each with the switch that lets it end.
type Begun = mpsc::UnboundedReceiver<(Effect, tokio::sync::oneshot::Sender<Answer>)>;

struct Script(mpsc::UnboundedSender<(Effect, tokio::sync::oneshot::Sender<Answer>)>);

impl Door for Script {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        let (end, ended) = tokio::sync::oneshot::channel();
        if let Effect::LoadInstance(id) = &effect
            && id.0 == 13
        {
            panic!("unlucky");
        }
        self.0.send((effect, end)).unwrap();
        Box::pin(async move {
            if let Ok(answer) = ended.await {
                reply.answer(answer);
            }
        })
    }
}

fn setup() -> (Executor, Begun, Mailbox) {
    let (sender, begun) = mpsc::unbounded_channel();
    let (post, mailbox) = mailbox();
    (Executor::new(Script(sender), post, Handle::current()), begun, mailbox)
}

fn act(ticket: u64, server: i64) -> Effect {
    Effect::Act {
        ticket: Ticket(ticket),
        act: Act::Activate {
            server: ServerId(server),
            version: 1,
        },
    }
}

fn ended(ticket: u64) -> Answer {
    Answer::Ended {
        ticket: Ticket(ticket),
        result: Ok(Box::new(Ended::default())),
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), future)
        .await
        .expect("nothing came")
}

async fn next_ended(mailbox: &mut Mailbox) -> (u64, Result<(), Problem>) {
    match soon(mailbox.next()).await {
        Message::Answer(Answer::Ended { ticket, result }) => (ticket.0, result.map(|_| ())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn latest_wins_and_the_late_answer_is_dropped() {
    let (executor, mut begun, mut mailbox) = setup();
    executor.submit(Effect::LoadHistory(ServerId(1)));
    let (_, first) = soon(begun.recv()).await.unwrap();
    executor.submit(Effect::LoadHistory(ServerId(2)));
    let (second_effect, second) = soon(begun.recv()).await.unwrap();
    assert_eq!(second_effect, Effect::LoadHistory(ServerId(2)));
    let history = |id| Answer::History {
        server: ServerId(id),
        points: Vec::new(),
    };
    let _ = first.send(history(1));
    second.send(history(2)).unwrap();
    let Message::Answer(Answer::History { server, .. }) = soon(mailbox.next()).await else {
        panic!("no history");
    };
    assert_eq!(server, ServerId(2));
    executor.shut_down(Duration::from_secs(5)).await;
    assert!(mailbox.try_next().is_none());
}

#[tokio::test]
async fn join_runs_once_and_serial_waits_its_turn() {
    let (executor, mut begun, mut mailbox) = setup();
    executor.submit(Effect::LoadFleet);
    executor.submit(Effect::LoadFleet);
    let (_, load) = soon(begun.recv()).await.unwrap();
    executor.submit(act(1, 7));
    executor.submit(act(2, 7));
    executor.submit(act(3, 8));
    let mut at_once = Vec::new();
    for _ in 0..2 {
        let (effect, end) = soon(begun.recv()).await.unwrap();
        at_once.push((ticket_of(&effect).unwrap().0, end));
    }
    assert!(
        begun.try_recv().is_err(),
        "the second load joins, the second act on 7 waits"
    );
    at_once.sort_by_key(|(ticket, _)| *ticket);
    let [(1, first), (3, other)] = <[_; 2]>::try_from(at_once).unwrap() else {
        panic!("the wrong ones began");
    };
    first.send(ended(1)).unwrap();
    let (effect, second) = soon(begun.recv()).await.unwrap();
    assert_eq!(ticket_of(&effect), Some(Ticket(2)));
    second.send(ended(2)).unwrap();
    other.send(ended(3)).unwrap();
    let mut tickets = vec![
        next_ended(&mut mailbox).await.0,
        next_ended(&mut mailbox).await.0,
        next_ended(&mut mailbox).await.0,
    ];
    tickets.sort_unstable();
    assert_eq!(tickets, [1, 2, 3]);
    drop(load);
}

#[tokio::test]
async fn a_cancelled_action_ends_once_whether_it_ran_or_waited() {
    let (executor, mut begun, mut mailbox) = setup();
    executor.submit(act(1, 7));
    executor.submit(act(2, 7));
    executor.submit(act(3, 7));
    let (_, running) = soon(begun.recv()).await.unwrap();
    executor.submit(Effect::CancelTask(Ticket(2)));
    executor.submit(Effect::CancelTask(Ticket(1)));
    assert_eq!(next_ended(&mut mailbox).await.1.unwrap_err().code, "cancelled");
    assert_eq!(next_ended(&mut mailbox).await.1.unwrap_err().code, "cancelled");
    let (effect, third) = soon(begun.recv()).await.unwrap();
    assert_eq!(ticket_of(&effect), Some(Ticket(3)), "the one behind goes on");
    let _ = running.send(ended(1));
    third.send(ended(3)).unwrap();
    assert_eq!(next_ended(&mut mailbox).await.0, 3);
    executor.submit(Effect::CancelTask(Ticket(3)));
    assert!(mailbox.try_next().is_none(), "what is over can't be cancelled");
}

#[tokio::test]
async fn a_panic_is_a_message_and_frees_its_key() {
    let (executor, mut begun, mut mailbox) = setup();
    executor.submit(Effect::LoadInstance(crate::domain::InstanceId(13)));
    let Message::Answer(Answer::Failed { problem, .. }) = soon(mailbox.next()).await else {
        panic!("no failure");
    };
    assert_eq!(problem.code, "internal_error");
    assert!(problem.message.contains("unlucky"), "{problem}");
    executor.submit(Effect::LoadInstance(crate::domain::InstanceId(14)));
    assert!(soon(begun.recv()).await.is_some());
}

#[tokio::test]
async fn so_many_at_a_time_and_followers_do_not_count() {
    let (executor, mut begun, _mailbox) = setup();
    executor.submit(Effect::FollowLog(JobId(1)));
    for n in 0..AT_A_TIME as u64 + 5 {
        executor.submit(act(n, n as i64));
    }
    let mut ends = Vec::new();
    for _ in 0..=AT_A_TIME {
        ends.push(soon(begun.recv()).await.unwrap());
    }
    tokio::task::yield_now().await;
    assert!(begun.try_recv().is_err());
    drop(ends.pop());
    assert!(soon(begun.recv()).await.is_some());
}

#[tokio::test]
async fn shutting_down_stops_everything() {
    let (executor, mut begun, mut mailbox) = setup();
    executor.submit(act(1, 7));
    executor.submit(act(2, 7));
    let (_, end) = soon(begun.recv()).await.unwrap();
    soon(executor.shut_down(Duration::from_secs(60))).await;
    assert!(end.is_closed(), "the task is gone");
    assert!(begun.try_recv().is_err(), "the waiting one never began");
    assert!(mailbox.try_next().is_none());
}
