use std::string::ToString;

use super::getpid;
use crate::server::Server;
use crate::server::limits::LISTENERS_MAX;
use crate::sys::fd::{PipeFlags, pipe2};
use crate::sys::process::getppid;

/// Checks the message for each server that cannot be made, or cannot serve.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn each_server_that_cannot_serve_is_told_with_a_hint() {
    let bound = || Server::new().listen("127.0.0.1:0");
    let error = Server::new().bind().unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.is_usage()),
        ("no address to listen on: none was named; name one", true)
    );
    let many = (0..=LISTENERS_MAX).fold(Server::new(), |server, _| server.listen("127.0.0.1:0"));
    let error = many.bind().unwrap_err();
    let told = "33 addresses: too many; start a second server for the rest";
    assert_eq!((error.to_string().as_str(), error.is_usage()), (told, true));
    let most = (0..LISTENERS_MAX).fold(Server::new(), |server, _| server.listen("127.0.0.1:0"));
    assert_eq!(most.bind().unwrap().addresses().count(), LISTENERS_MAX);
    let error = bound().prefork(1, 1).bind().unwrap().serve_program([c"true"].into_iter()).unwrap_err();
    let told = "prefork: a program serves one client and ends; leave it out";
    assert_eq!((error.to_string().as_str(), error.is_usage()), (told, true));
    let mut forked = bound().bind().unwrap();
    let (_answers, ready) = pipe2(PipeFlags::CLOEXEC).unwrap();
    forked.descriptors.predecessor = Some(ready);
    forked.descriptors.owner = getppid().unwrap();
    let error = forked.take_ownership(getpid()).unwrap_err();
    let told = "cannot serve: a successor serves in the process that its predecessor has started; if is_successor(), do not \
                fork before serve()";
    assert_eq!((error.to_string().as_str(), error.is_usage()), (told, true));
    // This thread is not the first.
    let serve = || bound().bind().unwrap().serve(|_| ()).unwrap_err();
    let error = std::thread::scope(|scope| scope.spawn(serve).join()).unwrap();
    let told = "cannot serve: fork: Resource deadlock avoided; this process has, or had, other threads, whose locks a child \
                would find locked for ever: serve before any is started";
    assert_eq!((error.to_string().as_str(), error.is_usage()), (told, false));
}
