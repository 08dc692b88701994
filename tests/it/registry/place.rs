//! What a store says of itself.

use super::bench::{Bench, op, server_spec};
use vigie::domain::rights::Deed;
use vigie::registry::LinkState;

pub(super) async fn it_says_where_it_is_that_it_is_there_and_what_one_may(r: Bench) {
    let other = r.another().await;
    assert_eq!(r.place(), other.place(), "one store, one place");
    assert!(r.place().contains("registry"), "{}", r.place());
    assert_eq!(*r.link().borrow(), LinkState::Connected);
    let rights = r.rights().await.unwrap();
    assert_eq!(rights, other.rights().await.unwrap());
    // Whoever tries this may do everything but what an owner does once.
    for deed in Deed::ALL {
        assert!(rights.may(deed) || deed == Deed::Migrate, "{deed:?}");
    }
    r.add_server(&op(), &server_spec("prod-1", 2)).await.unwrap();
    assert_eq!(*r.link().borrow(), LinkState::Connected);
}
