//! Tests the text of each line after normalization: each value that has a name, and the values that stay.

use super::*;
use crate::trace::Trace;
use crate::tree::Tree;

/// The process that the first process forks. Its id has the same bytes, 2 and 1, in either order of bytes.
const CHILD: u32 = 0x0102_0201;

/// Returns the run of a command `./a` in `/w`, which waits for a server on port 9190.
fn run(lines: &[&str]) -> (Tree, Run) {
    let start = ["execve(\"./a\", [\"./a\"], [\"HOME=/h\", \"SET=1\"]) = 0", "getcwd(\"/w\", 4096) = 3"];
    let fork = format!("fork() = {CHILD}");
    let lines = [&start[..], &[&fork], lines].concat().join("\n");
    let traces = vec![(100, Trace::new(lines.into(), false).unwrap()), (CHILD, Trace::default())];
    let tree = Tree::build(traces, 100);
    let run = Run::new(&tree, &[b"./a".to_vec()], Some(9190));
    (tree, run)
}

/// Returns each line after normalization.
fn normalized(lines: &[&str], aside: bool) -> Vec<String> {
    let (_, run) = run(lines);
    let run = if aside { run.with_listen_aside() } else { run };
    let (mut normalizer, mut normal) = (Normalizer::new(&run), Normal::default());
    let text = |line: &&str| {
        normalizer.rewrite(line.as_bytes(), &mut normal);
        String::from_utf8(normal.text.clone()).unwrap()
    };
    lines.iter().map(text).collect()
}

/// Checks each line, in order, and the text that it becomes. An empty text stands for the line itself.
#[track_caller]
fn check(rows: &[(&str, &str)]) {
    let lines: Vec<&str> = rows.iter().map(|(line, _)| *line).collect();
    for (found, (line, text)) in normalized(&lines, false).iter().zip(rows) {
        assert_eq!(found, if text.is_empty() { line } else { text }, "{line}");
    }
}

#[test]
fn addresses_get_the_name_of_what_they_lie_in() {
    check(&[
        ("brk(NULL) = 0x555500100000", "brk(NULL) = <heap>"),
        // The kernel refuses this, so the heap ends where it began.
        ("brk(0x555500121000) = 0x555500100000", "brk(<heap+0x21000>) = <heap>"),
        ("call(1, {x=0x555500121000}) = 0", "call(1, {x=<pointer>}) = 0"),
        ("brk(0x555500121000) = 0x555500121000", "brk(<heap+0x21000>) = <heap+0x21000>"),
        ("call(1, {x=0x555500121000}) = 0", "call(1, {x=<heap+0x21000>}) = 0"),
        ("call(1, {x=0x555500121001}) = 0", "call(1, {x=<pointer>}) = 0"),
        ("mprotect(0x5555000ff000, 4096, PROT_READ) = 0", "mprotect(<pointer>, <size>, PROT_READ) = 0"),
        ("mprotect(0x7f0000000000, 4096, PROT_READ) = 0", "mprotect(<pointer>, 4096, PROT_READ) = 0"),
        ("rt_sigreturn({mask=[]}) = 93823561302016", "rt_sigreturn({mask=[]}) = <pointer>"),
        ("rt_sigreturn({mask=[]}) = 4", ""),
        ("mmap(NULL, 8192, PROT_READ, 0, -1, 0) = 0x7f0000001000", "mmap(NULL, 8192, PROT_READ, 0, -1, 0) = <mapping>"),
        ("read(3, 0x7f0000002fff, 8) = -1 EIO (x)", "read(3, <mapping+0x1fff>, 8) = -1 EIO (x)"),
        ("read(3, 0x7f0000003000, 8) = -1 EIO (x)", "read(3, <pointer>, 8) = -1 EIO (x)"),
        (
            "mremap(0x7f0000001000, 8192, 12288, MREMAP_MAYMOVE) = 0x7e0000001000",
            "mremap(<mapping>, 8192, 12288, MREMAP_MAYMOVE) = <mapping>",
        ),
        ("read(3, 0x7e0000003fff, 8) = -1 EIO (x)", "read(3, <mapping+0x2fff>, 8) = -1 EIO (x)"),
        ("read(3, 0x7f0000001000, 8) = -1 EIO (x)", "read(3, <pointer>, 8) = -1 EIO (x)"),
        ("mremap(0x7e0000001000, 12288, 16384, 0) = 0x7e0000001000", "mremap(<mapping>, 12288, 16384, 0) = <mapping>"),
        ("read(3, 0x7e0000004fff, 8) = -1 EIO (x)", "read(3, <mapping+0x3fff>, 8) = -1 EIO (x)"),
        ("mremap(0x7e0000001000, 16384, 4096, 0) = -1 ENOMEM (x)", "mremap(<mapping>, 16384, 4096, 0) = -1 ENOMEM (x)"),
        ("munmap(0x7e0000001000, 16384) = 0", "munmap(<mapping>, 16384) = 0"),
        ("read(3, 0x7e0000001000, 8) = -1 EIO (x)", "read(3, <pointer>, 8) = -1 EIO (x)"),
        ("read(3, 0x7f <unfinished ...>) = ?", "read(3, 0x7f <cut>) = ?"),
    ]);
}

#[test]
fn a_mapping_beside_one_that_goes_stays() {
    check(&[
        ("mmap(NULL, 4096, PROT_READ, 0, -1, 0) = 0x7f0000001000", "mmap(NULL, 4096, PROT_READ, 0, -1, 0) = <mapping>"),
        ("mmap(NULL, 4096, PROT_READ, 0, -1, 0) = 0x7f0000002000", "mmap(NULL, 4096, PROT_READ, 0, -1, 0) = <mapping>"),
        ("munmap(0x7f0000001000, 4096) = 0", "munmap(<mapping>, 4096) = 0"),
        ("munmap(0x7f0000001000, 4096) = 0", "munmap(<pointer>, 4096) = 0"),
        ("munmap(0x7f0000002000, 4096) = -1 EINVAL (x)", "munmap(<mapping>, 4096) = -1 EINVAL (x)"),
        ("munmap(0x7f0000002000, 4096) = 0", "munmap(<mapping>, 4096) = 0"),
    ]);
}

#[test]
fn names_in_texts_are_whole_and_leave_the_rest() {
    check(&[
        (
            "write(1, \"./a ./ab ./a/ x./a\\n\", 19) = 19",
            "write(1, \"<program> ./ab ./a/ x./a\\n\", <length>) = <length>",
        ),
        ("open(\"/w/f\", O_RDONLY) = 3", "open(\"<directory>/f\", O_RDONLY) = 3"),
        ("open(\"/h/w\", O_RDONLY) = 3", "open(\"<home>/w\", O_RDONLY) = 3"),
        ("open(\"/wx\", O_RDONLY) = 3", ""),
        ("write(1, \"100 0100 99\", 11) = 11", "write(1, \"<process root> 0100 99\", <length>) = <length>"),
        ("write(1, \"16908801\", 8) = 8", "write(1, \"<process child 1>\", <length>) = <length>"),
        ("write(1, \"\\1\\2\\2\\1\\0 \", 6) = 6", "write(1, \"<process child 1>\\0 \", <length>) = <length>"),
        // Without a NUL, the text is no binary.
        ("write(1, \"\\1\\2\\2\\1 \", 5) = 5", ""),
        (
            "readlink(\"/proc/self/fd/1\", \"pipe:[77]\", 8) = 9",
            "readlink(\"/proc/self/fd/1\", \"pipe:[<inode>]\", 8) = <length>",
        ),
        (
            "readlink(\"/proc/self/fd/1\", \"socket:[77]\", 8) = 8",
            "readlink(\"/proc/self/fd/1\", \"socket:[<inode>]\", 8) = 8",
        ),
        ("open(\"/dev/pts/3\", O_RDWR) = 4", "open(\"/dev/pts/<n>\", O_RDWR) = 4"),
        // A length at the place of the descriptor, and deeper than one structure, is none.
        ("write(3, \"100\", 3) = 3", "write(3, \"<process root>\", <length>) = <length>"),
        (
            "writev(1, [{iov_base=\"100\", iov_len=3}], 1) = 3",
            "writev(1, [{iov_base=\"<process root>\", iov_len=3}], 1) = <length>",
        ),
    ]);
}

#[test]
fn ids_ports_devices_and_times_get_names_in_their_places() {
    check(&[
        ("kill(100, SIGTERM) = 0", "kill(<process root>, SIGTERM) = 0"),
        ("kill(1, SIGTERM) = 0", ""),
        ("kill(2, SIGTERM) = 0", "kill(<process outside>, SIGTERM) = 0"),
        (
            "fstat(3, {st_dev=makedev(0, 0xf), st_ino=5, st_mode=1}) = 0",
            "fstat(3, {st_dev=<device>, st_ino=<inode>, st_mode=1}) = 0",
        ),
        ("getuid() = 7", "getuid() = <user>"),
        ("getgid() = 7", "getgid() = <group>"),
        ("open(\"/dev/urandom\", O_RDONLY) = 5", ""),
        ("read(5, \"ab\", 2) = 2", "read(5, <random>, 2) = 2"),
        ("close(5) = 0", ""),
        ("read(5, \"ab\", 2) = 2", ""),
        ("stat(\"/dev/urandom\", 0) = 6", ""),
        ("read(6, \"ab\", 2) = 2", ""),
        ("bind(3, {sa_family=AF_INET, sin_port=htons(9190)}, 16) = 0", ""),
        ("connect(3, {sa_family=AF_INET, sin_port=htons(8000)}, 16) = 0", ""),
        (
            "getsockname(3, {sa_family=AF_INET, sin_port=htons(40000)}, [16]) = 0",
            "getsockname(3, {sa_family=AF_INET, sin_port=htons(<port>)}, [16]) = 0",
        ),
        (
            "call({sin_port=htons(8000), sin6_port=htons(50000), sin_port=htons(0)}) = 0",
            "call({sin_port=htons(8000), sin6_port=htons(<port>), sin_port=htons(0)}) = 0",
        ),
        ("utimensat(3, [{tv_sec=5, tv_nsec=6} /* 1970 */, {tv_sec=7, tv_nsec=8}]) = 0", ""),
        ("--- SIGCHLD {si_signo=SIGCHLD, si_pid=100} ---", "--- SIGCHLD {si_signo=SIGCHLD, si_pid=<process root>} ---"),
        ("+++ superseded by execve in pid 100 +++", "+++ superseded by execve in pid <process root> +++"),
        ("+++ exited with 0 +++", ""),
        (
            "execve(\"/b\", [\"100\"], [\"SET=1\", \"Z=/w\", \"B=2\", \"PWD=/\", \"_=x\"]) = -1 ENOENT (x)",
            "execve(\"/b\", [\"100\"], [<inherited>, \"B=2\", \"Z=<directory>\"]) = -1 ENOENT (x)",
        ),
    ]);
}

#[test]
fn the_port_that_the_tool_waits_for_is_put_aside_when_the_sides_have_two() {
    let bind = "bind(3, {sin_port=htons(9190)}, 16) = 0";
    assert_eq!(normalized(&[bind], true), ["bind(3, {sin_port=htons(<listen>)}, 16) = 0"]);
    let other = "bind(3, {sin_port=htons(9191)}, 16) = 0";
    assert_eq!(normalized(&[bind, other], false), [bind, other]);
    assert_eq!(normalized(&[other], true), [other]);
    // A server that inherits its listener never binds it.
    let told = "getsockname(3, {sin_port=htons(9190)}, [16]) = 0";
    assert_eq!(normalized(&[told], false), [told]);
}

/// Checks that a path in the home directory is told from one in the working directory, whichever is within the other.
#[test]
fn the_longest_directory_gives_a_path_its_name() {
    for (home, working, named) in [("/w/h", "/w", "<home>/f <directory>/f"), ("/w", "/w/h", "<directory>/f <home>/f")] {
        let start = format!("execve(\"/a\", [\"a\"], [\"PWD={working}\", \"HOME={home}\"]) = 0\n");
        let tree = Tree::build(vec![(100, Trace::new(start.into(), false).unwrap())], 100);
        let run = Run::new(&tree, &[], None);
        assert_eq!(String::from_utf8(run.with_names(b"/w/h/f /w/f")).unwrap(), named, "{home} and {working}");
    }
}
