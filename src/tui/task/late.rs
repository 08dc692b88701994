//! A door that opens while the dashboard is there already: a registry that hangs keeps nobody from
//! looking at another.

use super::executor::{Door, Reply};
use super::mailbox::Post;
use crate::domain::Problem;
use crate::tui::model::{Answer, Effect, Message, Notice};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Pauses between attempts; the last one goes on.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// Opens a door, or says why it can't.
pub type Opening = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Door>, Problem>> + Send + Sync>;

/// See the module. Whatever it still tries ends when it is dropped.
pub struct LateDoor {
    door: watch::Receiver<Option<Arc<dyn Door>>>,
    _stop: DropGuard,
    _kept: Box<dyn Any + Send + Sync>,
}

impl LateDoor {
    /// Begins to open it, again and again until it is open. `kept` lives as long as the door.
    pub fn open(post: &Post, opening: Opening, kept: Box<dyn Any + Send + Sync>) -> Self {
        let (opened, door) = watch::channel(None);
        let stop = CancellationToken::new();
        let (stopped, post) = (stop.clone(), post.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = until_open(opening, opened, post) => {}
            }
        });
        Self {
            door,
            _stop: stop.drop_guard(),
            _kept: kept,
        }
    }
}

async fn until_open(opening: Opening, opened: watch::Sender<Option<Arc<dyn Door>>>, post: Post) {
    let mut failed = 0;
    loop {
        match opening().await {
            Ok(door) => {
                let _ = opened.send(Some(door));
                if failed > 0 {
                    post.send(Message::Notice(Notice::RegistryBack));
                }
                // The door lives as long as its channel.
                opened.closed().await;
                return;
            }
            Err(problem) => post.send(Message::Notice(Notice::RegistryLost(problem))),
        }
        let pause = PAUSES.get(failed).or(PAUSES.last()).copied().unwrap_or_default();
        failed += 1;
        tokio::time::sleep(pause).await;
    }
}

impl Door for LateDoor {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        let mut door = self.door.clone();
        async move {
            if let Effect::Act { ticket, .. } = effect
                && door.borrow().is_none()
            {
                let problem = Problem::new("not_open", "the registry is not open yet: nothing was done");
                return reply.answer(Answer::Ended {
                    ticket,
                    result: Err(problem.hint("wait until the fleet is shown, then try again")),
                });
            }
            let opened = match door.wait_for(Option::is_some).await {
                Ok(opened) => opened.clone(),
                Err(_) => None,
            };
            if let Some(opened) = opened {
                opened.carry_out(effect, reply).await;
            }
        }
        .boxed()
    }
}
