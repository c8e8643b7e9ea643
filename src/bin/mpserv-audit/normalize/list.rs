//! The list of normalizations, each with its reason.

/// One normalization.
#[derive(Clone, Copy, Debug)]
pub struct Normalization {
    pub name: &'static str,
    pub what: &'static str,
    pub reason: &'static str,
}

/// All normalizations, which `--normalizations` prints. Only the last normalization drops calls.
pub const ALL: [Normalization; 17] = [
    Normalization {
        name: "process-id",
        what: "a process id, where a call takes or returns one and in text or binary data that the program made of it, becomes the process's place in the tree",
        reason: "the kernel numbers processes as it likes; which process is meant stays compared",
    },
    Normalization {
        name: "pointer",
        what: "an address of the stack or the program becomes <pointer>; one in a mapping or the heap becomes its offset there, and the mapping must be the same on both sides; so does what rt_sigreturn returns and what epoll keeps, which strace shows as decimal numbers",
        reason: "address space layout is random, and compilers lay out frames as they like",
    },
    Normalization {
        name: "thread-block",
        what: "what set_tid_address, set_robust_list, rseq and child_tidptr point to in the main thread's own block becomes its distance from what set_tid_address points to; the distances must be the same on both sides, and so must the mapping that the block is in",
        reason: "the dynamic loader puts the block behind a table that grows with the versions of symbols that a program needs, where the table and the block share a mapping, as on aarch64",
    },
    Normalization {
        name: "ephemeral-port",
        what: "a port that the kernel chose becomes <port>, and must be the same port wherever it comes again",
        reason: "clients get any free port; ports that the program or the command names stay as they are",
    },
    Normalization {
        name: "own-path",
        what: "the program's own path, as typed or in full, and its last part, becomes <program>, where the two commands differ in it",
        reason: "two programs cannot be the same file",
    },
    Normalization {
        name: "environment",
        what: "in what execve hands on, the variables that the command has from outside become <inherited>, and so do PWD, OLDPWD, SHLVL and _, which shells keep; those that a program sets stay",
        reason: "another user, or another day, has another environment",
    },
    Normalization {
        name: "directory",
        what: "the directory that the command runs in becomes <directory>, the user's home <home>, also where they begin a path",
        reason: "a kept trace is compared with a run elsewhere",
    },
    Normalization {
        name: "user",
        what: "who sends a signal, what getuid, getgid and their like return, and the owner of standard input, output and error become <user> and <group>, and must be the same one wherever it comes again",
        reason: "another user runs the command",
    },
    Normalization {
        name: "device",
        what: "the device that a file is on becomes <device>, and must be the same one wherever it comes again",
        reason: "the kernel numbers file systems as they are mounted",
    },
    Normalization {
        name: "random",
        what: "bytes from getrandom, /dev/random and /dev/urandom become <random>; how many were asked for and came stays",
        reason: "they are random",
    },
    Normalization {
        name: "time",
        what: "what a clock answers, file times, and what is left of an interrupted sleep become <time>; how long a program asks to sleep stays",
        reason: "two runs happen at two times",
    },
    Normalization {
        name: "usage",
        what: "processor time and resource usage in signals, wait4, waitid and getrusage become <usage>",
        reason: "they measure the machine's load",
    },
    Normalization {
        name: "inode",
        what: "an inode number becomes <inode>, and must be the same inode wherever it comes again",
        reason: "each run gets new pipes, terminals and files for its input and output",
    },
    Normalization {
        name: "terminal",
        what: "the number of a pseudoterminal becomes <n>",
        reason: "each run gets a terminal of its own",
    },
    Normalization {
        name: "own-segments",
        what: "in mprotect of the program's own image, the length becomes <size>",
        reason: "it is the size of a segment of the executable file, which a compiler chose",
    },
    Normalization {
        name: "length",
        what: "a length becomes <length> where it is that of a string in the same call in which a normalization above replaced something",
        reason: "the replaced text, such as a process id, may have another number of digits",
    },
    Normalization {
        name: "endless",
        what: "under --faults, where both programs make calls without end and are ended for it, the first 500 events of each process are compared, and of what they print as much as both have printed",
        reason: "how far each had come when it was ended is chance; that both do the same over and over shows in less",
    },
];
