use super::*;

#[test]
fn a_path_fits_with_its_nul_or_is_too_long() {
    let mut buffer = [b'x'; 8];
    assert_eq!(join(&mut buffer, &[b"/ab", b"", b"/cd"]), Ok(c"/ab/cd"));
    assert_eq!(buffer, *b"/ab/cd\0\0");
    assert_eq!(join(&mut buffer, &[b"/ab", b"/", b"cde"]), Ok(c"/ab/cde"));
    assert_eq!(join(&mut buffer, &[b"/ab", b"/", b"cdef"]), Err(Errno::NAMETOOLONG));
    assert_eq!(join(&mut buffer, &[b"/ab/cdefg", b"h"]), Err(Errno::NAMETOOLONG));
    assert_eq!(join(&mut buffer, &[b"/a", b"\0"]), Err(Errno::INVAL));
    assert_eq!(join(&mut buffer, &[]), Ok(c""));
    assert_eq!(join(&mut [], &[]), Err(Errno::NAMETOOLONG));
}

/// Follows a link to its own directory many times, and one to the file: as the kernel does, up to 40 links.
#[test]
#[cfg_attr(miri, ignore = "it has no lstat()")]
fn a_way_has_as_many_links_as_the_kernel_follows() {
    let folder = std::env::temp_dir().canonicalize().unwrap().join(std::format!("mpserv-path-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    std::os::unix::fs::symlink(".", folder.join("here")).unwrap();
    std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
    let trusted = [ROOT, geteuid()];
    // The last link counts only for a way to which a slash was added: without it, the link is the file.
    for (name, after, links_of_name) in [("file", "", 0), ("file", "/", 0), ("link", "", 0), ("link", "/", 1)] {
        for links in [0, 1, 39, 40, 41, 42].map(|links: usize| links.saturating_sub(links_of_name)) {
            let way = std::format!("{}/{}{name}", folder.display(), "here/".repeat(links));
            let found = find([way.as_bytes(), after.as_bytes()], &trusted).map(|found| found.is_some());
            let count = links + links_of_name;
            assert_eq!(found, if count <= 40 { Ok(false) } else { Err(Errno::LOOP) }, "{count} to {name}{after}");
            // The kernel does not follow a link at the end for lstat(), and else it does.
            let asked = if after.is_empty() { std::fs::symlink_metadata(&way) } else { std::fs::metadata(&way) };
            assert_eq!(asked.is_ok(), found.is_ok(), "{count} to {name}{after}: {asked:?}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
