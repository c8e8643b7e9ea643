//! Compares traces that these tests contain.

use super::*;
use crate::normalize::Run;
use crate::trace::Trace;

fn tree(processes: &[(u32, &str)]) -> Tree {
    let trace = |text: &str| Trace::new(text.as_bytes().to_vec(), false).unwrap();
    Tree::build(processes.iter().map(|(pid, text)| (*pid, trace(text))).collect(), processes[0].0)
}

pub(super) fn compared(a: &[(u32, &str)], b: &[(u32, &str)]) -> Comparison {
    let (a, b) = (tree(a), tree(b));
    let run = |tree| Run::new(tree, &[], None);
    compare(&Side { tree: &a, run: &run(&a) }, &Side { tree: &b, run: &run(&b) }, From::Execve)
}

pub(super) fn differences(a: &str, b: &str) -> usize {
    compared(&[(100, a)], &[(200, b)]).differences()
}

#[test]
fn equal_calls_are_equal_and_others_are_not() {
    assert_eq!(differences("close(3) = 0\n", "close(3) = 0\n"), 0);
    assert_eq!(differences("close(3) = 0\n", "close(4) = 0\n"), 1);
    assert_eq!(differences("close(3) = 0\n", "close(3) = -1 EBADF (Bad file descriptor)\n"), 1);
    assert_eq!(differences("close(3) = 0\n", ""), 1);
    assert_eq!(differences("listen(3, 5) = 0\n", "listen(3, 6) = 0\n"), 1);
}

#[test]
fn a_line_that_cannot_be_parsed_is_a_difference_even_to_itself() {
    assert_eq!(differences("nonsense\n", "nonsense\n"), 1);
    assert_eq!(differences("nonsense\n", ""), 1);
}

#[test]
fn processes_are_paired_by_place() {
    let root = |first: u32, second: u32| {
        format!("fork() = {first}\nfork() = {second}\nwait4({second}, NULL, 0, NULL) = {second}\n")
    };
    let (a, b) = (root(101, 102), root(999, 998));
    let first = "close(3) = 0\n";
    let second = "close(4) = 0\n";
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &b), (999, first), (998, second)]).differences(),
        0
    );
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &b), (999, second), (998, first)]).differences(),
        2
    );
    // A wait for the other child is a different call.
    let swapped = b.replace("wait4(998, NULL, 0, NULL) = 998", "wait4(999, NULL, 0, NULL) = 999");
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &swapped), (999, first), (998, second)])
            .differences(),
        1
    );
}

#[test]
fn a_process_that_nobody_forked_is_not_lost() {
    assert_eq!(
        compared(&[(100, "close(3) = 0\n"), (101, "close(4) = 0\n")], &[(7, "close(3) = 0\n")]).differences(),
        1
    );
}

#[test]
fn text_made_of_process_ids_is_equal_and_so_is_its_length() {
    let trace =
        |child: u32, length: usize| format!("fork() = {child}\nwrite(1, \"child {child}\\n\", {length}) = {length}\n");
    let (a, b) = (trace(999, 10), trace(1000, 11));
    assert_eq!(compared(&[(100, &a), (999, "")], &[(200, &b), (1000, "")]).differences(), 0);
    // The id does not explain one more byte.
    let longer = trace(1000, 12);
    assert_eq!(compared(&[(100, &a), (999, "")], &[(200, &longer), (1000, "")]).differences(), 1);
}

#[test]
fn process_ids_in_binary_data_are_equal() {
    let trace =
        |child: u32, id: &str| format!("fork() = {child}\nsendto(1, \"\\1{id}\\0\\0\\3\", 9, 0, NULL, 0) = 9\n");
    let (a, b) = (trace(0x4fac, "\\254O"), trace(0x0a01, "\\1\\n"));
    assert_eq!(compared(&[(100, &a), (0x4fac, "")], &[(200, &b), (0x0a01, "")]).differences(), 0);
    let wrong = trace(0x0a01, "\\2\\n");
    assert_eq!(compared(&[(100, &a), (0x4fac, "")], &[(200, &wrong), (0x0a01, "")]).differences(), 1);
}

#[test]
fn mappings_are_the_same_by_identity() {
    let trace = |first: &str, second: &str, freed: &str| {
        format!(
            "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = {first}\nmmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = {second}\nmunmap({freed}, 4096) = 0\n"
        )
    };
    let (x, y, p, q) = ("0x7f0000001000", "0x7f0000005000", "0x7e0000001000", "0x7e0000009000");
    assert_eq!(differences(&trace(x, y, x), &trace(p, q, p)), 0);
    assert_eq!(differences(&trace(x, y, x), &trace(p, q, q)), 1);
}

#[test]
fn the_block_of_the_main_thread_may_be_elsewhere_in_its_mapping() {
    let map = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)";
    let trace = |start: u64, set: u64, list: u64, rseq: u64, forked: u64| {
        let [set, list, rseq, forked] = [set, list, rseq, forked].map(|offset| start + offset);
        format!(
            "{map} = {start:#x}\nset_tid_address({set:#x}) = 100\nset_robust_list({list:#x}, 24) = 0\n\
             rseq({rseq:#x}, 0x20, 0, 0xd428bc00) = 0\n\
             clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr={forked:#x}) = 101\n"
        )
    };
    let found = |a: &str, b: &str| compared(&[(100, a), (101, "")], &[(100, b), (101, "")]).differences();
    let one = trace(0xffff_8000_0000, 0x50, 0x60, 0x6a0, 0x50);
    let moved = trace(0xffff_9000_0000, 0x70, 0x80, 0x6c0, 0x70);
    assert_eq!(found(&one, &moved), 0);
    // Each pointer keeps its distance from the first pointer, in either direction.
    for (list, rseq, forked) in
        [(0x88, 0x6c0, 0x70), (0x68, 0x6c0, 0x70), (0x80, 0x6c8, 0x70), (0x80, 0x6c0, 0x78), (0x80, 0x6c0, 0x50)]
    {
        assert_eq!(
            found(&one, &trace(0xffff_9000_0000, 0x70, list, rseq, forked)),
            1,
            "{list:#x} {rseq:#x} {forked:#x}"
        );
    }
    // An address outside the block's mapping is a different address.
    assert_eq!(found(&one, &trace(0xffff_9000_0000, 0x70, 0x80, 0x6c0, 0x2070)), 1);
    // Other pointers into the mapping are compared unchanged.
    let unmap = |offset: u64| format!("mprotect({:#x}, 4096, PROT_READ) = 0\n", 0xffff_8000_0000_u64 + offset);
    assert_eq!(found(&(one.clone() + &unmap(0x1000)), &(one.clone() + &unmap(0x1020))), 1);
}

#[test]
fn lengths_of_the_heap_and_of_mappings_count() {
    let heap = |start: u64, size: u64| format!("brk(NULL) = {start:#x}\nbrk({0:#x}) = {0:#x}\n", start + size);
    assert_eq!(differences(&heap(0x5555_0000_0000, 0x21000), &heap(0x5666_0000_0000, 0x21000)), 0);
    assert_eq!(differences(&heap(0x5555_0000_0000, 0x21000), &heap(0x5666_0000_0000, 0x22000)), 1);
    let file = |offset: &str| format!("mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, {offset}) = 0x7f0000001000\n");
    assert_eq!(differences(&file("0x26000"), &file("0x27000")), 1);
}

#[test]
fn sleeps_are_compared_and_what_is_left_of_them_is_not() {
    let sleep = |seconds: u64, left: u64| {
        format!(
            "clock_nanosleep(CLOCK_REALTIME, 0, {{tv_sec={seconds}, tv_nsec=0}}, {{tv_sec={left}, tv_nsec=1}}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)\n"
        )
    };
    assert_eq!(differences(&sleep(100, 98), &sleep(100, 97)), 0);
    assert_eq!(differences(&sleep(100, 98), &sleep(99, 98)), 1);
}

#[test]
fn file_times_are_not_compared_in_number_or_date() {
    let stat = |seconds: u32, date: &str| {
        format!(
            "newfstatat(3, \"\", {{st_size=5, st_atime={seconds} /* {date} */, st_atime_nsec=7}}, AT_EMPTY_PATH) = 0\n"
        )
    };
    assert_eq!(differences(&stat(1, "1970-01-01T00:00:01"), &stat(2, "1970-01-01T00:00:02")), 0);
    let statx = |seconds: u32, date: &str, size: u32| {
        let time = format!("stx_atime={{tv_sec={seconds}, tv_nsec=0}} /* {date} */");
        format!("statx(AT_FDCWD, \"/\", 0, STATX_MODE, {{{time}, stx_size={size}}}) = 0\n")
    };
    assert_eq!(differences(&statx(1, "1970-01-01T00:00:01", 5), &statx(2, "1970-01-01T00:00:02", 5)), 0);
    assert_eq!(differences(&statx(1, "1970-01-01T00:00:01", 5), &statx(1, "1970-01-01T00:00:01", 6)), 1);
}

#[test]
fn ports_that_the_program_names_count() {
    let server = |port: u16, client: u16| {
        format!(
            "bind(3, {{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"0.0.0.0\")}}, 16) = 0\naccept(3, {{sa_family=AF_INET, sin_port=htons({client}), sin_addr=inet_addr(\"127.0.0.1\")}}, [16]) = 4\n"
        )
    };
    assert_eq!(differences(&server(9190, 40000), &server(9190, 50000)), 0);
    assert_eq!(differences(&server(9190, 40000), &server(9191, 40000)), 1);
    // A port that the kernel chose stays the same port within a run.
    let chosen = |own: u16, other: u16| {
        format!(
            "getsockname(3, {{sa_family=AF_INET, sin_port=htons({own})}}, [16]) = 0\n\
             getpeername(4, {{sa_family=AF_INET, sin_port=htons({other})}}, [16]) = 0\n"
        )
    };
    assert_eq!(differences(&chosen(40000, 40000), &chosen(50000, 50000)), 0);
    assert_eq!(differences(&chosen(40000, 40000), &chosen(50000, 50001)), 1);
}

/// Returns the level of two traces and their kinds of differences.
fn verdict(a: &str, b: &str) -> (Level, Vec<String>) {
    let comparison = compared(&[(100, a)], &[(200, b)]);
    (comparison.level(), comparison.kinds.iter().map(|kind| kind.text(["A", "B"])).collect())
}

#[track_caller]
fn assert_verdict(a: &str, b: &str, level: Level, kinds: &[&str]) {
    assert_eq!(verdict(a, b), (level, kinds.iter().map(ToString::to_string).collect()), "{a}{b}");
}

const LISTEN: &str = "socket(AF_INET, SOCK_STREAM, 0) = 3\nbind(3, {sa_family=AF_INET, sin_port=htons(9190)}, 16) = 0\n\
                      listen(3, 5) = 0\naccept(3, NULL, NULL) = 4\nread(4, \"hi\", 30) = 2\nwrite(4, \"hi\", 2) = 2\n\
                      close(4) = 0\nexit_group(0) = ?\n";

#[test]
fn one_argument_changed_is_the_same_calls_with_another_value() {
    assert_verdict(LISTEN, LISTEN, Level::Same, &[]);
    let changed = |from: &str, to: &str| LISTEN.replacen(from, to, 1);
    assert_verdict(LISTEN, &changed("listen(3, 5)", "listen(3, 10)"), Level::Values, &["listen: backlog 5 / 10"]);
    assert_verdict(LISTEN, &changed("9190", "9191"), Level::Values, &["bind: port 9190 / 9191"]);
    assert_verdict(LISTEN, &changed(", 30)", ", 8192)"), Level::Values, &["read: size 30 / 8192"]);
}

#[test]
fn one_call_more_or_less_is_different_and_named() {
    let more = LISTEN.replacen("listen", "getpid() = 200\nlisten", 1);
    assert_verdict(LISTEN, &more, Level::Different, &["getpid() only in B"]);
    assert_verdict(LISTEN, &LISTEN.replacen("close(4) = 0\n", "", 1), Level::Different, &["close(4) only in A"]);
}

#[test]
fn two_calls_swapped_are_one_difference() {
    let swapped = LISTEN.replacen(
        "bind(3, {sa_family=AF_INET, sin_port=htons(9190)}, 16) = 0\nlisten(3, 5) = 0\n",
        "listen(3, 5) = 0\nbind(3, {sa_family=AF_INET, sin_port=htons(9190)}, 16) = 0\n",
        1,
    );
    let (level, kinds) = verdict(LISTEN, &swapped);
    assert_eq!((level, kinds.len()), (Level::Different, 1), "{kinds:?}");
    assert!(kinds[0].contains(" earlier in "), "{kinds:?}");
}

#[test]
fn another_descriptor_throughout_is_another_value() {
    let two = "accept(3, NULL, NULL) = 4\naccept(3, NULL, NULL) = 5\nclose(4) = 0\nclose(5) = 0\n";
    let other = "accept(3, NULL, NULL) = 5\naccept(3, NULL, NULL) = 6\nclose(5) = 0\nclose(6) = 0\n";
    assert_eq!(verdict(two, other).0, Level::Values);
    // The same calls in another order differ in more than values.
    assert_eq!(verdict("close(3) = 0\nclose(4) = 0\n", "close(4) = 0\nclose(3) = 0\n").0, Level::Different);
}

#[test]
fn what_is_printed_and_what_follows_from_it_is_put_aside() {
    let start = "newfstatat(1, \"\", {st_mode=S_IFIFO|0600}, AT_EMPTY_PATH) = 0\ngetrandom(\"x\", 8, GRND_NONBLOCK) = 8\n\
                 brk(NULL) = 0x555500000000\nbrk(0x555500021000) = 0x555500021000\n";
    let print = |text: &str| format!("write(1, \"{text}\", {0}) = {0}\n", text.len());
    let close = "close(3) = 0\n";
    let one = [start, &print("one"), close].concat();
    // The other side has another text, twice as many writes, and the first write elsewhere.
    for other in
        [[start, &print("another"), close], [start, &(print("o") + &print("ne")), close], [close, start, &print("one")]]
    {
        let (level, kinds) = verdict(&one, &other.concat());
        assert_eq!((level, kinds.len()), (Level::Texts, 1), "{kinds:?}");
        assert!(kinds[0].starts_with("printed"), "{kinds:?}");
    }
    assert_verdict(&print("one"), &print("two"), Level::Texts, &["printed: \"one\" / \"two\""]);
    assert_verdict(&one, close, Level::Texts, &["printed: \"one\" only in A"]);
    // Another process has printed before.
    let asks =
        |size: u32| format!("newfstatat(1, \"\", {{st_mode=S_IFREG|0600, st_size={size}}}, AT_EMPTY_PATH) = 0\n");
    let [before, after] = [0, 21].map(|size| asks(size) + &print("one"));
    assert_verdict(&before, &after, Level::Texts, &["printing: newfstatat: st_size 0 / 21"]);
}

#[test]
fn what_is_sent_is_not_printed() {
    let send = |fd: u32, text: &str| format!("write({fd}, \"{text}\", 3) = 3\n");
    assert_eq!(verdict(&send(2, "one"), &send(2, "two")).0, Level::Texts);
    assert_eq!(verdict(&send(4, "one"), &send(4, "two")).0, Level::Values);
    // A socket replaces the output, as in a program that a server runs.
    let redirected = |text: &str| format!("dup2(4, 1) = 1\n{}", send(1, text));
    assert_eq!(verdict(&redirected("one"), &redirected("two")).0, Level::Values);
}

#[test]
fn perror_prints_through_a_copy_of_standard_error() {
    let perror = |text: &str| {
        format!(
            "dup(2) = 4\nfcntl(4, F_GETFL) = 0x1 (flags O_WRONLY)\nnewfstatat(4, \"\", {{}}, AT_EMPTY_PATH) = 0\n\
             write(4, \"{text}\", 3) = 3\nclose(4) = 0\n"
        )
    };
    let end = "exit_group(1) = ?\n";
    assert_eq!(verdict(&(perror("one") + end), &(perror("two") + end)).0, Level::Texts);
    assert_eq!(verdict(&(perror("one") + end), &("write(2, \"one\", 3) = 3\n".to_owned() + end)).0, Level::Texts);
    // perror allocates memory for its stream, or for its text if the copy cannot be written and read.
    let allocate =
        "getrandom(\"x\", 8, GRND_NONBLOCK) = 8\nbrk(NULL) = 0x555500000000\nbrk(0x555500021000) = 0x555500021000\n";
    let stream = perror("one").replace("newfstatat", &format!("{allocate}newfstatat"));
    let text = format!(
        "dup(2) = 4\nfcntl(4, F_GETFL) = 0x1 (flags O_WRONLY)\nclose(4) = 0\n{allocate}write(2, \"one\", 3) = 3\n"
    );
    for one in [stream, text] {
        assert_eq!(verdict(&(one + end), &("write(2, \"one\", 3) = 3\n".to_owned() + end)).0, Level::Texts);
    }
    assert_eq!(verdict(&(allocate.to_owned() + end), end).0, Level::Different);
    // A copy that stays open is the program's own.
    assert_eq!(verdict(&perror("one").replace("close(4) = 0\n", ""), &perror("one")).0, Level::Texts);
}

#[test]
fn a_process_more_is_one_difference_beside_its_fork() {
    let fork = "fork() = 101\n";
    let comparison = compared(&[(100, fork), (101, "getpid() = 101\nexit_group(0) = ?\n")], &[(100, "")]);
    let kinds: Vec<String> = comparison.kinds.iter().map(|kind| kind.text(["A", "B"])).collect();
    assert_eq!(
        (comparison.level(), kinds),
        (Level::Different, vec!["fork() only in A".to_owned(), "child 1 only in A, 2 calls".to_owned()])
    );
    let of_none = compared(&[(100, fork), (101, "")], &[(100, "")]).kinds;
    let of_none: Vec<String> = of_none.iter().map(|kind| kind.text(["A", "B"])).collect();
    assert_eq!(of_none, ["fork() only in A", "child 1 only in A, 0 calls"]);
}

/// Checks each message that names a side, with the two traces in either order.
#[test]
fn a_message_names_the_side_that_it_is_about() {
    let common = "close(4) = 0\nclose(5) = 0\nclose(6) = 0\n";
    let asks = "newfstatat(1, \"\", {st_mode=S_IFIFO|0600}, AT_EMPTY_PATH) = 0\n";
    let print = "write(1, \"one\", 3) = 3\n";
    let turn = |text: &str| text.replace("5 / 6", "6 / 5").replace("\"one\" / \"two\"", "\"two\" / \"one\"");
    for ([a, b], expected) in [
        (
            [format!("umask(001) = 022\n{common}"), format!("{common}umask(001) = 022\n")],
            "umask(001) earlier in A than in B",
        ),
        ([format!("{common}umask(001) = 022\n"), common.to_owned()], "umask(001) only in A"),
        ([print.to_owned(), String::new()], "printed: \"one\" only in A"),
        (
            [asks.to_owned() + print, print.to_owned()],
            "printing: newfstatat(1, \"\", {st_mode=S_IFIFO|0600}, AT_EMPTY_PATH) only in A",
        ),
        (["listen(3, 5) = 0\n".to_owned(), "listen(3, 6) = 0\n".to_owned()], "listen: backlog 5 / 6"),
        ([print.to_owned(), print.replace("one", "two")], "printed: \"one\" / \"two\""),
    ] {
        for (traces, sides, expected) in [([&a, &b], ["A", "B"], expected), ([&b, &a], ["B", "A"], &turn(expected))] {
            let comparison = compared(&[(100, traces[0])], &[(200, traces[1])]);
            let kinds: Vec<String> = comparison.kinds.iter().map(|kind| kind.text(sides)).collect();
            assert_eq!(kinds, [expected], "{a}{b}");
        }
    }
    let (root, child) = ((100, "fork() = 101\n"), (101, "getpid() = 101\n"));
    for (a, b, side) in [(&[root, child][..], &[(100, "")][..], 0), (&[(100, "")], &[root, child], 1)] {
        let kinds: Vec<String> = compared(a, b).kinds.iter().map(|kind| kind.text(["A", "B"])).collect();
        let side = ["A", "B"][side];
        assert_eq!(kinds, [format!("fork() only in {side}"), format!("child 1 only in {side}, 1 call")]);
    }
}

#[test]
fn differences_of_one_kind_are_counted() {
    let reads = |size: u32| format!("read(4, \"hi\", {size}) = 2\n").repeat(18);
    let comparison = compared(&[(100, &reads(30))], &[(200, &reads(8192))]);
    let kinds: Vec<usize> = comparison.kinds.iter().map(|kind| kind.count).collect();
    assert_eq!(kinds, [18]);
}
