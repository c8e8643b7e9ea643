use super::super::group_table::{End, Group};
use super::super::tests::{DeadGroup, client, with, with_log};
use super::*;
use crate::server::limits::GROUPS_LOOK;
use crate::server::settings::Settings;
use crate::sys::fd::{PipeFlags, pipe2, read};

const fn told(signal: Signal) -> SignalInfo {
    SignalInfo { signal, sender: None, uid: 0 }
}

/// Checks that the predecessor, which takes two letters for another answer, is told once.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_predecessor_that_has_not_let_go_is_told_once_of_the_stop() {
    with(&Settings::new(), |parent, _| {
        let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        parent.descriptors.letting_go = Some(ready);
        parent.stop(&told(Signal::TERM));
        parent.stop(&told(Signal::TERM));
        let mut text = [0; 8];
        assert_eq!(read(&answers, &mut text), Ok(1));
        assert_eq!(text[0], b'S');
    });
}

/// Checks that a server that stops at once does not wait for its next look at the groups.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn at_a_stop_groups_are_looked_at_immediately() {
    let dead = DeadGroup::new();
    with_log(&Settings::new(), |parent, reader, now| {
        let group = Group { id: dead.id, peer: client(1, 1), started: now, end: End::NotTold };
        parent.state.groups.groups.push(group).unwrap();
        parent.state.groups.look_at = now + GROUPS_LOOK;
        parent.stop(&told(Signal::QUIT));
        let line = std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGTERM", dead.id);
        assert_eq!(reader.lines(), [std::string::String::from("<29>stop signal=SIGQUIT children=0 grace=0.000"), line]);
    });
}
