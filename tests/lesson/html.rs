//! Reads the tags of a page.

use std::collections::BTreeSet;

/// The elements that have no end tag.
const VOID: [&str; 2] = ["meta", "br"];
/// The text that would make a page load another file.
const FOREIGN: [&str; 8] = ["<script", "<img", "<link", "<iframe", "http:", "https:", "url(", "@import"];

/// The parts of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) links: BTreeSet<String>,
}

impl Page {
    /// Reads a page. Checks that all elements end in order, that no id occurs twice, and that the page needs no other
    /// file.
    #[track_caller]
    pub(crate) fn read(name: &str, text: &str) -> Page {
        for word in FOREIGN {
            assert!(!text.contains(word), "{name} has {word}");
        }
        let (before, rest) = text.split_once("<style>").unwrap();
        let (_, after) = rest.split_once("</style>").unwrap();
        let mut page = Page::default();
        let mut open = Vec::new();
        for tag in tags(before).chain(tags(after)) {
            if tag.starts_with('!') {
                continue;
            }
            if let Some(ended) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(ended), "{name}: {ended} ends");
                continue;
            }
            let element = tag.split([' ', '/']).next().unwrap();
            if let Some(id) = attribute(tag, "id") {
                assert!(page.ids.insert(id.to_owned()), "{name}: {id} is there twice");
            }
            page.links.extend(attribute(tag, "href").map(str::to_owned));
            if !tag.ends_with('/') && !VOID.contains(&element) {
                open.push(element);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?} do not end");
        page
    }
}

fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).map(|part| part.split_once('>').expect("a tag ends").0)
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    value.split('"').next()
}
