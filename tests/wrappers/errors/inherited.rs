use mpserv::errno::Errno;
use mpserv::inherited::{RESTART_VARIABLE, take_restart};
use mpserv::process::getpid;

use super::{Case, NotProduced, each, errno};

pub(super) const CASES: &[Case] = &[("take_restart", Errno::BADF, || {
    let own = getpid();
    // Nothing, half of it, a descriptor that is not open, a standard one, and what is no number of one.
    let ours = ["", ",", ",0", ",1000,0", ",2,0", ",99999999999,0", ",-1,0"].map(|rest| taking(&format!("{own}{rest}")));
    each([each(ours), each(["", "x", ",", "1x"].map(taking))])
})];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[];

/// What becomes of this value of the variable.
fn taking(text: &str) -> Errno {
    // SAFETY: this process has no other thread.
    unsafe { std::env::set_var(RESTART_VARIABLE, text) };
    errno(take_restart())
}
