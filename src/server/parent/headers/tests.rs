use super::super::tests::{MOMENT, client, with, with_log};
use super::*;
use crate::server::settings::{PoolSize, Settings};

/// Checks which connections without a header are ended: the oldest of a source that has more than half of the children,
/// until it has half of them.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn of_silent_connections_the_oldest_of_a_large_source_are_ended() {
    for pool in [None, Some(PoolSize { min: 6, max: 6 })] {
        let settings = Settings { proxy_protocol: true, max_children: 6, pool, ..Settings::new() };
        with_log(&settings, |parent, reader, now| {
            parent.add(0, client(2, 1), State::Header);
            parent.add(1, client(1, 1), State::Header);
            parent.add(2, client(1, 2), State::Header);
            parent.add(3, client(1, 3), State::Header);
            parent.add(4, client(1, 4), State::Header);
            parent.add(5, client(1, 5), State::Serving);
            let stages = |ended: &[usize]| {
                core::array::from_fn(|number| {
                    Some(if ended.contains(&number) { Stage::Terminating } else { Stage::Running })
                })
            };
            parent.state.now = now + HEADER_PATIENCE - MOMENT;
            parent.end_silent_connections();
            assert_eq!(parent.stages::<6>(), stages(&[]), "each may wait for a while");
            parent.state.now = now + HEADER_PATIENCE;
            parent.end_silent_connections();
            assert_eq!(parent.stages::<6>(), stages(&[1]), "{pool:?}: three of six are half of the children");
            let line = "<28>refuse from=192.0.2.1:1 why=\"no PROXY header, and too many others without one\" \
                        from_source=4 count=1";
            assert_eq!(reader.lines(), [line]);
            assert_eq!(parent.refused(), 1);
        });
    }
}

/// Checks that a child which has not run yet, or not for some time, may read a header that has come meanwhile.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_could_not_run_is_not_taken_for_silent() {
    let settings = Settings { proxy_protocol: true, max_children: 1, ..Settings::new() };
    with(&settings, |parent, now| {
        parent.add(0, client(1, 1), State::Free);
        parent.state.now = now + HEADER_PATIENCE;
        parent.end_silent_connections();
        assert_eq!(parent.stages::<1>(), [Some(Stage::Running)], "it has not run");
        let due = parent.headers_due().unwrap();
        parent.state.now = due + HEADER_PATIENCE - MOMENT;
        parent.forgive_stall(None);
        parent.forgive_stall(Some(due));
        assert_eq!(parent.headers_due(), Some(due), "the wait ended in time");
        parent.state.now += MOMENT;
        parent.forgive_stall(Some(due));
        assert_eq!(parent.headers_due(), Some(parent.state.now + HEADER_PATIENCE));
    });
}
