//! The exercises: for each fault of a program the task, and the idea behind it.

use super::checks;
use super::grade::Grade;
use super::subject::Subject;
use crate::trouble::Trouble;

/// An exercise.
#[derive(Clone, Copy, Debug)]
pub struct Exercise {
    pub program: &'static str,
    pub name: &'static str,
    /// The behaviour of a mended program.
    pub task: &'static str,
    /// The idea that a reader needs to pass.
    pub idea: &'static str,
    /// Further options for the compiler, if the file needs any.
    pub standard: &'static str,
    pub check: fn(&Subject<'_>) -> Result<Grade, Trouble>,
}

const GNU: &str = "-std=gnu11";

const NO_QUEUE: &str = "signals do not queue: while one SIGCHLD is pending, a second one changes nothing. So a handler has to call \
                        waitpid until it returns no more children.";
const FORK_FAILS: &str =
    "fork has three results: 0 in the child, the child's id in the parent, and -1 when there is no child.";
const CHECK_SOCKET: &str = "socket can fail, for example when too many descriptors are open. Its -1 is no descriptor: check it before \
                            you use it.";

/// All exercises, in the order of lessons.
pub static ALL: [Exercise; 15] = [
    Exercise {
        program: "wait",
        name: "fork",
        task: "Notice when fork fails, and do not print -1 as the id of a child.",
        idea: FORK_FAILS,
        standard: GNU,
        check: checks::prints_no_failed_id,
    },
    Exercise {
        program: "remove_zombie",
        name: "zombies",
        task: "Remove all zombies, also when both children end at the same time.",
        idea: NO_QUEUE,
        standard: GNU,
        check: checks::children_killed_together,
    },
    Exercise {
        program: "remove_zombie",
        name: "fork",
        task: "Notice when fork fails, and do not print -1 as the id of a child.",
        idea: FORK_FAILS,
        standard: GNU,
        check: checks::prints_no_failed_id,
    },
    Exercise {
        program: "echo_mpserv",
        name: "zombies",
        task: "Leave no zombie, also when many children end at the same time.",
        idea: NO_QUEUE,
        standard: GNU,
        check: checks::clients_gone_together,
    },
    Exercise {
        program: "echo_mpserv",
        name: "busy-loop",
        task: "Do not call accept thousands of times in a second while there is no free descriptor.",
        idea: "accept fails with EMFILE until a descriptor is free. It does not wait for one, so a program that tries again at once \
               uses the whole processor.",
        standard: GNU,
        check: checks::accept_without_descriptors,
    },
    Exercise {
        program: "echo_mpserv",
        name: "read-error",
        task: "End the connection when read fails.",
        idea: "read returns -1 when it fails. Converted to size_t that is the largest number there is: no length for write.",
        standard: GNU,
        check: checks::client_resets,
    },
    Exercise {
        program: "echo_mpclient",
        name: "end-of-input",
        task: "End when the input ends without a q.",
        idea: "fgets returns NULL at the end of the input, and leaves the buffer as it was.",
        standard: GNU,
        check: checks::input_ends,
    },
    Exercise {
        program: "rot13_serv",
        name: "standard-c",
        task: "Serve more than one client when compiled with -std=c99.",
        idea: "under -std=c99 signal() is System V's: the handler works once, and accept is not made again but fails with EINTR. \
               sigaction with SA_RESTART means the same everywhere.",
        standard: "-std=c99",
        check: checks::serves_again,
    },
    Exercise {
        program: "code05",
        name: "zombies",
        task: "Leave no zombies while the server runs.",
        idea: "a child that has ended stays a zombie until its parent waits for it, or ignores SIGCHLD.",
        standard: GNU,
        check: checks::clients_one_by_one,
    },
    Exercise {
        program: "code05",
        name: "fork",
        task: "Go on serving when one fork fails.",
        idea: FORK_FAILS,
        standard: GNU,
        check: checks::survives_failed_fork,
    },
    Exercise {
        program: "code05",
        name: "socket",
        task: "Notice when socket fails.",
        idea: CHECK_SOCKET,
        standard: GNU,
        check: checks::socket_fails,
    },
    Exercise {
        program: "code04",
        name: "socket",
        task: "Notice when socket fails.",
        idea: CHECK_SOCKET,
        standard: GNU,
        check: checks::socket_fails,
    },
    Exercise {
        program: "socket_serve",
        name: "descriptor-0",
        task: "Close the listener in the child, also when its number is 0.",
        idea: "0 is a descriptor like any other: a program that is started without standard input gets it from socket. -1 is the \
               number that no descriptor has.",
        standard: GNU,
        check: checks::started_without_input,
    },
    Exercise {
        program: "socket_serve",
        name: "fork",
        task: "Go on serving when one fork fails.",
        idea: FORK_FAILS,
        standard: GNU,
        check: checks::survives_failed_fork,
    },
    Exercise {
        program: "socket_client",
        name: "socket",
        task: "Notice when socket fails.",
        idea: CHECK_SOCKET,
        standard: GNU,
        check: checks::socket_fails,
    },
];

/// Returns the exercises of one program.
pub fn of_program(program: &str) -> Vec<&'static Exercise> {
    ALL.iter().filter(|exercise| exercise.program == program).collect()
}

/// Returns the programs that have exercises.
pub fn programs() -> Vec<&'static str> {
    let mut names: Vec<&str> = ALL.iter().map(|exercise| exercise.program).collect();
    names.dedup();
    names
}
