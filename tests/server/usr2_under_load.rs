//! Tests SIGUSR2 under load: no client is lost while successors take over, or fail.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::load::load;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use crate::usr2::Dynasty;

pub(crate) const TESTS: &[Test] = tests![
    no_client_is_lost_while_it_is_restarted,
    no_client_is_lost_while_a_pool_is_restarted,
    no_client_is_lost_while_a_program_that_ends_at_once_is_to_take_its_place,
    ; ignored:
    no_client_of_fifty_thousand_is_lost_in_twenty_restarts,
];

/// Connects clients while the server is told this number of times to start its successor.
#[track_caller]
fn restart_under_load(arguments: &[&str], clients: u64, times: u64, works: bool) {
    let dynasty = Dynasty::start(&[arguments, &["-q", "0.0.0.0:0"]].concat());
    if !works {
        dynasty.replace_program("#!/bin/sh\nexit 1\n");
    }
    let served = AtomicU64::new(0);
    let result = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(dynasty.first.port(), clients, 8, &served));
        for time in 1..=times {
            // The restarts are spread over the load.
            wait_until("clients are served", || {
                served.load(Ordering::Relaxed) >= clients * time / (times + 1) || load.is_finished()
            });
            if works {
                dynasty.succeed();
            } else {
                dynasty.restart();
                let failed = |line: &Line| line.event == "restart" && line.fields.contains_key("error");
                wait_until("the restart has failed", || {
                    dynasty.first.log().iter().filter(|line| failed(line)).count() as u64 == time
                });
            }
        }
        load.join().unwrap()
    });
    assert_eq!((result.served, result.errors.len()), (clients, 0), "{:?}", result.errors);
    let log = dynasty.stop();
    let count = |event: &str| log.iter().filter(|line| line.event == event).count() as u64;
    assert_eq!(count("handover"), if works { times } else { 0 });
    let accepted: u64 = log.iter().filter(|line| line.event == "stopped").map(|line| line.number("accepted")).sum();
    assert_eq!(accepted, clients, "each client was accepted once: {log:#?}");
}

fn no_client_is_lost_while_it_is_restarted() {
    restart_under_load(&[], 4_000, 5, true);
}

fn no_client_is_lost_while_a_pool_is_restarted() {
    restart_under_load(&["--prefork", "4"], 8_000, 5, true);
}

fn no_client_is_lost_while_a_program_that_ends_at_once_is_to_take_its_place() {
    restart_under_load(&[], 4_000, 5, false);
}

fn no_client_of_fifty_thousand_is_lost_in_twenty_restarts() {
    restart_under_load(&[], 50_000, 20, true);
    restart_under_load(&["--prefork", "4"], 50_000, 20, true);
    restart_under_load(&[], 50_000, 20, false);
}
