//! The binary: hands the command line to the library.

use std::process::ExitCode;
use vigie::tui::{dashboard, term};

fn main() -> ExitCode {
    term::guarded(|| {
        dashboard::block_on(async {
            match dashboard::show(dashboard::Dashboard::default(), |_| Nobody).await {
                Ok(end) => ExitCode::from(dashboard::status(end)),
                Err(_) => ExitCode::FAILURE,
            }
        })
    })
}

/// Stands in until operations are wired.
struct Nobody;

impl vigie::tui::task::Door for Nobody {
    fn carry_out(
        &self,
        _: vigie::tui::model::Effect,
        reply: vigie::tui::task::Reply,
    ) -> futures_util::future::BoxFuture<'static, ()> {
        Box::pin(async move { reply.answer(vigie::tui::model::Answer::Fleet(Box::default())) })
    }
}
