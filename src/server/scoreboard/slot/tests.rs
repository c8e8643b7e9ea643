use super::*;

/// Asks whether the client of another child is before a ticket of the time 5, while that child is about to take
/// its ticket. The child has the given value in the place of its ticket after the given number of sleeps. Returns
/// the answer, and the number of sleeps.
fn ask(taken: u64, after: u32) -> (bool, u32) {
    let words = [const { AtomicU64::new(0) }; SLOT_WORDS];
    words[TICKET].store(CHOOSING, Ordering::SeqCst);
    let (slot, mut sleeps) = (Slot { words: &words, index: 1 }, 0);
    let mut patience = Patience::new();
    let mut is_before = || {
        slot.is_before_after(Ticket { published: Published::Source, time: 5, index: 2 }, &mut patience, || {
            sleeps += 1;
            if sleeps == after {
                words[TICKET].store(taken, Ordering::SeqCst);
            }
        })
    };
    // A second question, as about another child, has only the sleeps that are left.
    let answers = (is_before(), is_before());
    assert_eq!(answers.0, answers.1);
    (answers.0, sleeps)
}

#[test]
fn the_parent_names_the_rule_of_a_client_after_the_rules_were_read_again() {
    let words = [const { AtomicU64::new(0) }; SLOT_WORDS];
    let slot = Slot { words: &words, index: 1 };
    let rules = || [0, 1, 2, 3].map(|generation| slot.rule(generation));
    slot.set_new_rule(2, |_| Some(7));
    slot.publish_rule(Some(5), 1);
    assert_eq!(rules(), [None, Some(Some(5)), None, None]);
    slot.set_new_rule(2, |_| Some(7));
    assert_eq!(rules(), [None, Some(Some(5)), Some(Some(7)), None]);
    slot.set_new_rule(3, |_| None);
    assert_eq!(rules(), [None, Some(Some(5)), None, Some(None)]);
    // The next client has another rule.
    slot.publish_rule(Some(4), 1);
    assert_eq!(rules(), [None, Some(Some(4)), None, None]);
    // While a client takes its ticket, the parent cannot say for which client it found the rule.
    words[RULE_TICKET].store(CHOOSING, Ordering::SeqCst);
    slot.set_new_rule(2, |_| Some(7));
    assert_eq!(rules(), [None, Some(Some(4)), None, None]);
}

#[test]
fn a_child_that_waits_for_the_processor_is_waited_for() {
    assert_eq!(ask(4, 1), (true, 1));
    assert_eq!(ask(5, 1), (true, 1), "of two tickets of one time, that of the lower index is first");
    assert_eq!(ask(6, 1), (false, 1));
    assert_eq!(ask(0, 1), (false, 1), "the client has gone");
    assert_eq!(ask(6, CHOOSING_SLEEPS - 1), (false, CHOOSING_SLEEPS - 1));
    assert_eq!(ask(6, CHOOSING_SLEEPS + 1), (true, CHOOSING_SLEEPS), "the child may have been stopped");
}
