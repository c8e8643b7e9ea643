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
            parent.add(number as i32, client(number as u8, 1), state);
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
