//! The only place that changes the model: synchronous, without IO; what must happen outside is
//! answered as effects.

use super::model::{Effect, Message, Model, Now};

/// Takes one message in and answers what has to be done outside.
pub fn update(model: &mut Model, message: Message, now: &Now) -> Vec<Effect> {
    let _ = (model, message, now);
    Vec::new()
}

/// What has to be done before the first message.
pub fn start(model: &mut Model, now: &Now) -> Vec<Effect> {
    let _ = (model, now);
    vec![Effect::LoadFleet]
}
