//! Checks the files that `make install` installs, and lets systemd check the units.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::options::PROGRAMS;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![units_are_what_systemd_takes, what_is_installed_runs_and_is_uninstalled,];

fn units_are_what_systemd_takes() {
    needs_command("systemd-analyze");
    let folder = TempDir::new();
    let unit = file("src/share/systemd/mpserv@.service");
    assert!(unit.contains("ExecStart=@BINDIR@/mpserv "));
    let folder_of_program = Path::new(MPSERV).parent().unwrap().to_str().unwrap().to_owned();
    let service = folder.join("mpserv@.service");
    fs::write(&service, unit.replace("@BINDIR@", &folder_of_program)).unwrap();
    let socket = folder.join("mpserv.socket");
    fs::write(&socket, file("src/share/systemd/mpserv.socket")).unwrap();
    let mut command = Command::new("systemd-analyze");
    let verify = run(command.args(["verify", "--man=no"]).args([&service, &socket]), Output::Pipe);
    let complaints = verify.stderr;
    // Messages about other units of this machine do not matter here.
    let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("mpserv")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{complaints}");
}

/// Returns all files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn what_is_installed_runs_and_is_uninstalled() {
    let root = TempDir::new();
    // The tested programs are used instead of a release build.
    let destination = root.join("destination");
    let make = |goal: &str| {
        let mut command = Command::new("make");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args([goal, "--old-file=release", "PREFIX=/usr"]);
        command.arg(format!("rust=echo {MPSERV}")).arg(format!("DESTDIR={}", destination.display()));
        text_of(&mut command);
    };
    make("install");
    let installed: Vec<String> = files(&destination)
        .iter()
        .map(|path| path.strip_prefix(&destination).unwrap().to_str().unwrap().to_owned())
        .collect();
    let others =
        ["lib/systemd/system/mpserv.socket", "lib/systemd/system/mpserv@.service", "share/mpserv/fail2ban.conf"];
    let mut expected: Vec<String> = others.map(|path| format!("usr/{path}")).into();
    for (name, _, section) in PROGRAMS {
        expected.extend([
            format!("usr/bin/{name}"),
            format!("usr/share/bash-completion/completions/{name}"),
            format!("usr/share/fish/vendor_completions.d/{name}.fish"),
            format!("usr/share/man/man{section}/{name}.{section}"),
            format!("usr/share/zsh/site-functions/_{name}"),
        ]);
        let page = destination.join(format!("usr/share/man/man{section}/{name}.{section}"));
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains(concat!("\n.Os mpserv ", env!("CARGO_PKG_VERSION"), "\n")), "{page}");
    }
    expected.sort();
    assert_eq!(installed, expected);
    for name in &installed {
        let mode = PermissionsExt::mode(&fs::metadata(destination.join(name)).unwrap().permissions()) & 0o777;
        let expected = if name == "usr/bin/mpserv" {
            0o711
        } else if name.contains("/bin/") {
            0o755
        } else {
            0o644
        };
        assert_eq!(mode, expected, "{name}");
    }
    let unit = fs::read_to_string(destination.join("usr/lib/systemd/system/mpserv@.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/mpserv ") && !unit.contains("@BINDIR@"), "{unit}");
    let mut command = Command::new(destination.join("usr/bin/mpserv"));
    let server = Served::start_command(command.args(["-1", "127.0.0.1:0"]));
    drop(server.client());
    server.stop();
    // `make uninstall` keeps a file that `make install` did not install.
    let foreign = destination.join("usr/share/man/man8/other.8");
    fs::write(&foreign, "").unwrap();
    make("uninstall");
    assert_eq!(files(&destination), std::slice::from_ref(&foreign));
    assert!(!destination.join("usr/bin").exists());
    fs::remove_file(foreign).unwrap();
    // A folder goes with its last file.
    make("install");
    make("uninstall");
    assert!(!destination.join("usr").exists());
}
