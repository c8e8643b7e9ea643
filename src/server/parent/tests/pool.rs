//! Tests the size of a pool, and the time that its children have.

use super::*;

/// Returns the settings of a pool.
fn pool(min: u32, max: u32) -> Settings<'static> {
    Settings { pool: Some(PoolSize { min, max }), max_children: max, ..Settings::new() }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_makes_a_child_for_each_that_is_missing_but_none_beyond_its_limit_or_after_a_stop() {
    let with_pool = |settings: &Settings<'static>, test: &dyn Fn(&mut Parent<'_, 'static, Stub>)| {
        with(settings, |parent, _| {
            parent.worker.can_prefork = true;
            test(parent);
        });
    };
    with_pool(&pool(2, 4), &|parent| {
        parent.refill_pool();
        assert_eq!(parent.state.children.len(), 2);
        parent.on_pool_tick();
        assert_eq!(parent.state.children.len(), 3, "none is idle");
    });
    // Children that were retired still have their clients, and count.
    with_pool(&pool(2, 3), &|parent| {
        (0..3).for_each(|number| parent.add(number, client(1, 1), State::Serving));
        (0..2).for_each(|number| parent.state.set_stage(nobody(number), Stage::Retiring));
        parent.refill_pool();
        parent.on_pool_tick();
        assert_eq!(parent.worker.made, 0, "there are as many as there may be");
    });
    with_pool(&pool(2, 4), &|parent| {
        parent.begin_stopping(Signal::TERM, Duration::MAX);
        parent.on_pool_tick();
        assert_eq!(parent.state.children.len(), 0, "the server stops");
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_that_shrinks_retires_a_child_without_a_client() {
    with(&pool(1, 4), |parent, _| {
        for (number, state) in [State::Serving, State::Header, State::Idle, State::Idle].into_iter().enumerate() {
            parent.add(number as i32, client(1, 1), state);
        }
        parent.on_pool_tick();
        let running = Some(Stage::Running);
        assert_eq!(parent.stages(), [running, running, Some(Stage::Retiring), running]);
    });
}

/// Checks which preforked children are ended, and the client in the line of each: those that serve a client for too
/// long, retired or not. A child that was retired at the age of the limit is ended after the same time again, whatever
/// it says.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_preforked_child_is_ended_by_the_time_of_its_client_and_retired_by_its_own() {
    const LIMIT: Duration = Duration::from_secs(10);
    with_log(&Settings { max_lifetime: Some(LIMIT), ..pool(4, 4) }, |parent, reader, now| {
        for (number, state) in [State::Serving, State::Serving, State::Header, State::Idle].into_iter().enumerate() {
            parent.add_preforked(number as i32, client(number as u8, 1), state);
        }
        parent.state.now = now + SECOND;
        // Their stages begin later than their states, as those of children that have had other clients before.
        (0..4).for_each(|number| parent.state.set_stage(nobody(number), Stage::Running));
        parent.state.set_stage(nobody(1), Stage::Retiring);
        let (running, retiring, ended) = (Some(Stage::Running), Some(Stage::Retiring), Some(Stage::Terminating));
        parent.state.now = now + LIMIT - MOMENT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [running, retiring, running, running]);
        parent.state.now = now + LIMIT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [ended, ended, running, running]);
        let line = |number: i32| std::format!("<30>lifetime pid={} from=192.0.2.{number}:1", nobody(number));
        assert_eq!(reader.lines(), [line(0), line(1)]);
        parent.state.now = now + SECOND + LIMIT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [ended, ended, retiring, retiring]);
        parent.state.now = now + SECOND + LIMIT * 2 - MOMENT;
        parent.on_pool_tick();
        assert_eq!((parent.stages(), reader.lines()), ([ended, ended, retiring, retiring], Vec::new()));
        parent.state.now = now + SECOND + LIMIT * 2;
        parent.on_pool_tick();
        assert_eq!((parent.stages(), reader.lines()), ([ended; 4], [line(2), line(3)].into()));
    });
}

/// Checks which retired children are told again: those that wait for a client. The signal would interrupt the calls of a
/// handler.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_retired_child_without_a_client_is_told_again() {
    for (state, is_told) in [(State::Idle, true), (State::Free, true), (State::Serving, false), (State::Header, false)]
    {
        let mut sleep = Sleep::new();
        with(&pool(1, 1), |parent, now| {
            parent.state.add_child(sleep.pid(), Peer::Unknown, None);
            parent.scoreboard.slot(0).set(sleep.pid(), state, now);
            parent.state.set_stage(sleep.pid(), Stage::Retiring);
            parent.retire_again();
        });
        if !is_told {
            sleep.0.kill().unwrap();
        }
        let signal = if is_told { Signal::USR2 } else { Signal::KILL };
        assert_eq!(sleep.ended_by(), Some(signal.raw()), "{state:?}");
    }
}

/// Checks when the lack of a resource for further children is over: once no further child is wanted.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_that_wants_no_more_children_lacks_nothing() {
    for (running, idle, is_over) in [(2, 0, false), (1, 1, false), (2, 1, true), (3, 3, true)] {
        with_log(&pool(2, 4), |parent, reader, now| {
            for number in 0..running {
                let state = if number < idle { State::Idle } else { State::Serving };
                parent.add(number, client(1, 1), state);
            }
            parent.shortage("fork", Errno::AGAIN, None);
            reader.lines();
            parent.state.now = now + SECOND;
            parent.on_pool_tick();
            assert_eq!(parent.state.shortage.is_none(), is_over, "{idle} of {running} are idle");
            let resume: &[&str] = if is_over { &["<29>resume why=fork seconds=1.000"] } else { &[] };
            assert_eq!(reader.lines(), resume, "{idle} of {running} are idle");
        });
    }
}

/// Checks the time that a connection without a header has: it begins with the connection, not with the child.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_silent_connection_of_an_old_child_has_its_time() {
    let settings = Settings { proxy_protocol: true, ..pool(2, 2) };
    with(&settings, |parent, now| {
        (0..2).for_each(|number| parent.add(number, client(1, 1), State::Idle));
        let began = now + SECOND * 10;
        (0..2).for_each(|number| parent.scoreboard.slot(number).set(nobody(number as i32), State::Header, began));
        parent.state.now = began + HEADER_PATIENCE - MOMENT;
        parent.end_silent_connections();
        assert_eq!(parent.stages(), [Some(Stage::Running); 2]);
        parent.state.now = began + HEADER_PATIENCE;
        parent.end_silent_connections();
        assert_eq!(parent.stages(), [Some(Stage::Terminating), Some(Stage::Running)]);
    });
}

/// Checks that silent connections of preforked children are ended once no child is left for other clients, and that the
/// line names the address that was silent.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_without_an_idle_child_ends_silent_connections() {
    for (state, is_ended) in [(State::Serving, true), (State::Idle, false)] {
        let settings = Settings { proxy_protocol: true, ..pool(3, 3) };
        with_log(&settings, |parent, reader, now| {
            (0..2).for_each(|number| parent.add_preforked(number, client(1, number as u16), State::Header));
            parent.add_preforked(2, client(2, 1), state);
            parent.state.now = now + SECOND;
            parent.on_pool_tick();
            let line = "<28>refuse from=192.0.2.1:0 why=\"no PROXY header, and too many others without one\" \
                        from_source=2 count=1";
            assert_eq!(reader.lines(), [line][..usize::from(is_ended)], "{state:?}");
            let first = if is_ended { Stage::Terminating } else { Stage::Running };
            assert_eq!(parent.stages(), [Some(first), Some(Stage::Running), Some(Stage::Running)], "{state:?}");
        });
    }
}
