//! Tests `--idle-timeout`: the connection of a client that is silent for too long is closed.

use std::io::Write;
use std::time::Duration;

use crate::common::random::Random;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![a_client_of_a_service_that_is_silent_for_too_long_is_closed,];

fn a_client_of_a_service_that_is_silent_for_too_long_is_closed() {
    for mode in [&[][..], &["--prefork", "1"]] {
        let server = Served::start(&[mode, &["--idle-timeout", "1", "127.0.0.1:0"]].concat());
        let mut client = server.client();
        assert_eq!(read_all(&mut client), b"", "{mode:?}");
        assert_eq!(server.wait_events("end", 1)[0].get("exit"), "2", "{mode:?}");
        // A client that takes nothing does not hold its child for ever, either.
        let mut deaf = server.connect();
        deaf.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let text = Random::new(1).bytes(1 << 20);
        while deaf.write(&text).is_ok() {}
        assert_eq!(server.wait_events("end", 2)[1].get("exit"), "2", "{mode:?}");
        server.stop();
    }
}
