//! Grades exercises: in each, a reader mends a fault of a textbook program in a copy of its C file.
//!
//! | file | content |
//! |---|---|
//! | `list` | the exercises: the topic and the check of each |
//! | `checks` | the checks, which only a mended program passes |
//! | `grade` | the result of an exercise |
//! | `subject` | the reader's program, compiled and running |

mod checks;
mod grade;
mod list;
mod subject;

use std::path::{Path, PathBuf};

use crate::run::Directory;
use crate::run::network;
use crate::run::strace::Strace;
use crate::trouble::Trouble;
pub use grade::Grade;
pub use list::{Exercise, of_program};
use subject::Subject;

/// The user's program and the exercise that grades it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The C file of the user.
    pub file: PathBuf,
    pub program: String,
    /// The name of one exercise, or none for all exercises of the program.
    pub name: Option<String>,
}

/// Grades an answer, and prints a line for each exercise. Returns whether all exercises are passed.
///
/// # Errors
/// Fails when there is no such exercise, or the file cannot be compiled or run.
pub fn grade(answer: &Answer, strace: &Strace) -> Result<bool, Trouble> {
    network::make_own_possible();
    let all = of_program(&answer.program);
    let wanted = |exercise: &&Exercise| answer.name.as_ref().is_none_or(|name| *name == exercise.name);
    let chosen: Vec<&Exercise> = all.iter().copied().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Trouble::new(match &answer.name {
            Some(name) if !all.is_empty() => {
                let names: Vec<&str> = all.iter().map(|exercise| exercise.name).collect();
                format!("{name}: not an exercise of {}, which has {}", answer.program, names.join(", "))
            }
            _ => format!("{}: no exercises; they are about {}", answer.program, list::programs().join(", ")),
        }));
    }
    let mut all_passed = true;
    for exercise in chosen {
        let grade = of_one(exercise, &answer.file, strace)
            .map_err(|trouble| Trouble::new(format!("{} ({}): {trouble}", exercise.program, exercise.name)))?;
        match grade {
            Grade::Passed => println!("{}: passed", exercise.name),
            Grade::NotYet(seen) => {
                all_passed = false;
                println!(
                    "{}: not yet. {seen}\n    Idea: {}\n    Task: {}",
                    exercise.name, exercise.idea, exercise.task
                );
            }
        }
    }
    Ok(all_passed)
}

fn of_one(exercise: &Exercise, file: &Path, strace: &Strace) -> Result<Grade, Trouble> {
    let directory = Directory::new()?;
    let program = subject::compile(file, exercise.program, exercise.standard, &directory.path)?;
    // A network namespace is per thread, so each check gets a thread.
    std::thread::scope(|scope| {
        let check = scope.spawn(|| {
            network::use_own();
            let subject = Subject::new(exercise.program, &program, &directory.path, strace);
            (exercise.check)(&subject)
        });
        check.join().unwrap_or_else(|_| Err(Trouble::new("the check ended by a panic")))
    })
}
