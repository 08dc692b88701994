//! Where there is little room, what matters most is what stands there.

use super::{Dash, fleet};
use vigie::domain::SafeText;
use vigie::domain::rights::{Rights, Role};
use vigie::tui::model::{Fleet, Message, Notice, NoticeLevel};

const SIZE: (u16, u16) = (120, 35);

#[test]
fn why_a_server_is_down_is_read_whole_at_eighty_columns() {
    let dash = Dash::picture((80, 24));
    dash.must_see("✖ refused");
    dash.must_see("offline");
    let mut fleet = fleet::picture();
    for server in &mut fleet.servers {
        server.spec.max_instances = 4_000;
        server.spec.code = format!("{}-of-paris", server.spec.code).parse().unwrap();
    }
    let mut dash = Dash::new((80, 24));
    dash.load(fleet);
    dash.must_see("✖ refused");
}

#[test]
fn the_menu_of_changes_is_offered_only_where_there_is_something_to_change() {
    let mut dash = Dash::picture(SIZE);
    dash.must_see("a act…");
    let mut empty = Dash::new(SIZE);
    empty.load(Fleet {
        read_at: Some(fleet::noon()),
        ..Fleet::default()
    });
    assert!(!empty.sees("act…"), "{}", empty.screen());
    // What one's role may not do is a menu all the same: it says which role does.
    let mut fleet = fleet::picture();
    fleet.rights = Rights::of(Role::User, "ana");
    dash.load(fleet);
    dash.must_see("act…");
}

/// Without blanks: broken anywhere, it was read.
fn letters(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn what_is_told_at_the_bottom_is_read_whole_on_the_narrowest_screen() {
    let told = "the registry is read again, and 3 of 4 servers answered their check meanwhile";
    let hint = "look at prod-3 (X says why)";
    for level in [
        NoticeLevel::Info,
        NoticeLevel::Success,
        NoticeLevel::Warning,
        NoticeLevel::Error,
    ] {
        for size in [(40, 15), (80, 24), (120, 35), (200, 50)] {
            let mut dash = Dash::picture(size);
            dash.tell(Message::Notice(Notice::Flash {
                level,
                text: SafeText::new(told),
                hint: Some(hint.into()),
            }));
            let screen = letters(&dash.screen());
            for text in [told, hint] {
                assert!(screen.contains(&letters(text)), "{level:?} {size:?}\n{}", dash.screen());
            }
        }
    }
}
