//! A command that is given as one argument: splits it into words.

use crate::trouble::Trouble;

/// The characters that have a meaning for a shell only.
const SHELL: &str = "|&;<>()$`*\n";
/// The characters before which a backslash hides in double quotes.
const HIDDEN_IN_QUOTES: &str = "\\\"$`";

/// Splits a command into words at spaces and tabs. Quotes and a backslash hide a character, as in a shell. Nothing is
/// expanded.
///
/// # Errors
/// Fails if a quote does not end, if the command has an unhidden character that only a shell can handle, or if the
/// command has no word. `option` names the command in the message.
pub fn split(option: &str, command: &str) -> Result<Vec<String>, Trouble> {
    let refuse = |reason: String| Trouble::new(format!("{option} '{command}': {reason}"));
    let shell = |character: char| {
        refuse(format!("only a shell can handle {character:?}; quote it, or give the line to a shell: sh -c '...'"))
    };
    let endless = || refuse("a quote does not end".to_owned());
    let mut words = Vec::new();
    // `None` is between two words.
    let mut word: Option<String> = None;
    let mut rest = command.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let (hidden, after) = rest.as_str().split_once('\'').ok_or_else(endless)?;
                word.get_or_insert_default().push_str(hidden);
                rest = after.chars();
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match (rest.next().ok_or_else(endless)?, rest.clone().next()) {
                        ('"', _) => break,
                        ('\\', Some(next)) if HIDDEN_IN_QUOTES.contains(next) => word.extend(rest.next()),
                        (expanded @ ('$' | '`'), _) => return Err(shell(expanded)),
                        (other, _) => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next().ok_or_else(endless)?),
            '~' if word.is_none() => return Err(shell('~')),
            other if SHELL.contains(other) => return Err(shell(other)),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if words.is_empty() { Err(refuse("there is no command in it".to_owned())) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_at_spaces_and_quotes_hide_them() {
        for (command, words) in [
            ("a", &["a"][..]),
            (" a \t b ", &["a", "b"]),
            ("a 'b  c'd \"e \"f", &["a", "b  cd", "e f"]),
            ("a '' \"\"", &["a", "", ""]),
            ("sh -c 'echo $((1 + 2)) \"$1\" ~ * `x`; y'", &["sh", "-c", "echo $((1 + 2)) \"$1\" ~ * `x`; y"]),
            (r#"a "\$b \" \\ \` \c 'd'""#, &["a", r#"$b " \ ` \c 'd'"#]),
            (r"a\ b \$c \~ d~ \|\\ \'", &["a b", "$c", "~", "d~", r"|\", "'"]),
            ("nc [::1]:7000 {} ? # é", &["nc", "[::1]:7000", "{}", "?", "#", "é"]),
        ] {
            match split("--a", command) {
                Ok(found) => assert_eq!(found, words, "{command}"),
                Err(trouble) => panic!("{command}: {trouble}"),
            }
        }
    }

    #[test]
    fn what_only_a_shell_can_handle_is_refused() {
        for character in "|&;<>()$`*\n".chars() {
            for command in [format!("a {character} b"), format!("a{character}"), character.to_string()] {
                let message = split("--b", &command).unwrap_err().to_string();
                let expected = format!("--b '{command}': only a shell can handle {character:?}; quote it, or give the");
                assert!(message.starts_with(&expected), "{message}");
            }
        }
        for command in ["~/a", "a ~", "\"$a\"", "\"`a`\"", "\"a$\""] {
            assert!(split("--a", command).unwrap_err().to_string().contains("only a shell"), "{command}");
        }
        for command in ["'a", "a \"b", "a\\", "\"a\\"] {
            assert!(split("--a", command).unwrap_err().to_string().ends_with("a quote does not end"), "{command}");
        }
        for command in ["", " \t"] {
            assert!(split("--a", command).unwrap_err().to_string().ends_with("there is no command in it"));
        }
    }
}
