//! Draws the model. Only reads.

use super::model::{Model, Now};
use super::theme::Theme;

/// Draws the whole screen.
pub fn view(model: &Model, theme: &Theme, now: &Now, frame: &mut ratatui::Frame<'_>) {
    let _ = (model, theme, now, frame);
}
