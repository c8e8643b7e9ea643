use core::time::Duration;

use super::*;
use crate::server::scoreboard::ChildAccess;

fn client(text: &str) -> Peer {
    Peer::Inet(text.parse().unwrap())
}

/// Checks which clients of other children count by the rule of a client. A child may have the rules of before, and the
/// parent may not have said yet which of the present rules allows its client.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_client_counts_by_its_rule_whichever_rules_its_child_has() {
    const NOW: u32 = 2;
    let text = b"allow 192.0.2.9\nallow 192.0.2.0/24 max-children=1\nallow 192.0.2.0/24\nallow all\n";
    let rules = Rules::parse(text).unwrap();
    for (other, rule, generation, new_rule, counts) in [
        ("192.0.2.1:1", Some(1), NOW, None, true),
        ("192.0.2.1:1", Some(2), NOW, None, false),
        ("192.0.2.1:1", None, NOW, None, false),
        // The child has the rules of before.
        ("192.0.2.1:1", Some(0), NOW - 1, None, true),
        ("192.0.2.1:1", Some(1), NOW - 1, None, true),
        ("192.0.2.1:1", None, NOW - 1, None, true),
        ("192.0.2.9:1", Some(1), NOW - 1, None, false),
        ("198.51.100.1:1", Some(1), NOW - 1, None, false),
        // The parent has said which rule it is.
        ("192.0.2.1:1", Some(0), NOW - 1, Some(1), true),
        ("192.0.2.1:1", Some(1), NOW - 1, Some(3), false),
    ] {
        let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 2, ChildAccess::Slot).unwrap();
        let [its, own] = [0, 1].map(|index| scoreboard.take_slot(index));
        let (its_peer, own_peer) = (client(other), client("192.0.2.2:1"));
        its.set_client(1, &its_peer);
        its.publish();
        its.publish_rule(rule, generation);
        if new_rule.is_some() {
            its.set_new_rule(NOW, |_| new_rule);
        }
        let admission = Admission {
            rules: Some(&rules),
            generation: NOW,
            max_per_source: None,
            source_prefix: SourcePrefix::DEFAULT,
            scoreboard: &scoreboard,
        };
        own.set_client(2, &own_peer);
        let decided = admission.publish_and_decide(own, &own_peer).map_err(|refusal| refusal.why);
        let expected = if counts { Err("rule's max-children") } else { Ok(0) };
        assert_eq!(decided, expected, "{other} {rule:?} {generation} {new_rule:?}");
    }
}

/// Checks the order of a child's decisions. A client whose source has its share is refused before it is published for
/// its rule, so it takes no place of the rule. The parent gives the same reason.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_client_that_its_source_has_no_place_for_takes_none_of_its_rule() {
    let rules = Rules::parse(b"allow all max-per-source=1 max-children=2\n").unwrap();
    let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 4, ChildAccess::Slot).unwrap();
    let admission = Admission {
        rules: Some(&rules),
        generation: 0,
        max_per_source: None,
        source_prefix: SourcePrefix::DEFAULT,
        scoreboard: &scoreboard,
    };
    // The slot of a refused client is not cleared, as if its child had no processor meanwhile.
    for (index, address, decided) in [
        (0, "192.0.2.1:1", Ok(0)),
        (1, "192.0.2.1:2", Err("max-per-source")),
        (2, "192.0.2.2:1", Ok(0)),
        (3, "192.0.2.3:1", Err("rule's max-children")),
    ] {
        let (slot, peer) = (scoreboard.take_slot(index), client(address));
        slot.set_client(u64::from(index) + 1, &peer);
        assert_eq!(admission.publish_and_decide(slot, &peer).map_err(|refusal| refusal.why), decided, "{address}");
    }
    let both = admission.decide(rules.position(client("192.0.2.1:3").as_client()).map(|(_, rule)| rule), 1, 2);
    assert_eq!(both.map_err(|refusal| refusal.why), Err("max-per-source"));
}
