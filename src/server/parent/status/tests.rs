use std::string::String;
use std::vec::Vec;

use super::super::tests::{client, nobody, with_log};
use super::*;
use crate::server::scoreboard::State;
use crate::server::settings::Settings;
use crate::sys::errno::Errno;

/// Checks that the status names what the server lacks, and shows each child at every stage.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_status_names_the_shortage_and_shows_children_at_every_stage() {
    with_log(&Settings::new(), |parent, reader, _| {
        for (number, stage) in (0..).zip(Stage::ALL) {
            parent.add(number, client(number as u8, 1), State::Serving);
            parent.state.set_stage(nobody(number), stage);
        }
        parent.log_status();
        let line = |paused: &str| {
            std::format!(
                "<29>status children=4 limit=64 accepted=0 refused=0 ended=0 uptime=0.000 paused={paused} stopping=no"
            )
        };
        let child = |number: i32| {
            let from = std::format!("192.0.2.{number}:1");
            std::format!("<31>child pid={} state=serving from={from} served=0 seconds=0.000", nobody(number))
        };
        let children: Vec<String> = (0..4).map(child).collect();
        assert_eq!(reader.lines(), [&[line("no")], &children[..]].concat());
        parent.shortage("fork", Errno::AGAIN, None);
        reader.lines();
        parent.log_status();
        assert_eq!(reader.lines(), [&[line("fork")], &children[..]].concat());
    });
}
