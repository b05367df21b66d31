//! Random histories of a store against a plain model.

use echoic::progress::Control;
use proptest::prelude::*;

use crate::common::model::{DOMAINS, Model, Step};
use crate::common::stores::*;

#[derive(Debug, Clone)]
enum Event {
    Done(Step),
    /// The writer is closed and opened again.
    Reopened,
    /// A reader opens the store, and keeps its snapshot to the end.
    Opened,
}

fn event() -> impl Strategy<Value = Event> {
    let rows = prop::collection::vec((0..12u8, 0..4u8, 0..2u8), 0..8);
    prop_oneof![
        12 => (0..DOMAINS.len(), rows).prop_map(|(domain, rows)| Event::Done(Step::Append { domain, rows })),
        1 => (0..DOMAINS.len()).prop_map(|domain| Event::Done(Step::RemoveDomain(domain))),
        1 => (0..DOMAINS.len(), 0..DOMAINS.len()).prop_map(|(from, to)| Event::Done(Step::RenameDomain { from, to })),
        3 => prop::collection::vec(0..30usize, 1..4).prop_map(|places| Event::Done(Step::RemoveCaptions(places))),
        2 => (0..DOMAINS.len(), 0..4u8, 0..12u8)
            .prop_map(|(domain, clip, text)| Event::Done(Step::Retain { domain, clip, text })),
        1 => Just(Event::Done(Step::Merge)),
        1 => Just(Event::Done(Step::Compact)),
        1 => Just(Event::Done(Step::Index)),
        1 => Just(Event::Reopened),
        1 => Just(Event::Opened),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_its_model(events in prop::collection::vec(event(), 1..50)) {
        let (_guard, dir) = empty_store();
        let mut writer = writing(&dir);
        let mut model = Model::default();
        let mut kept = Vec::new();
        for event in events {
            match event {
                Event::Done(step) => {
                    let outcome = step.perform(&mut writer, &model).expect("success");
                    prop_assert_eq!(outcome, step.apply(&mut model));
                    if matches!(step, Step::Compact) {
                        let stats = writer.snapshot().expect("a snapshot").stats();
                        prop_assert_eq!((stats.removed, stats.segments <= DOMAINS.len() as u64), (0, true));
                    }
                }
                Event::Reopened => {
                    drop(writer);
                    writer = writing(&dir);
                }
                Event::Opened => kept.push((open(&dir), model.clone())),
            }
            let snapshot = writer.snapshot().expect("a snapshot");
            model.check(&snapshot);
            prop_assert_eq!(snapshot.verify(&Control::default()).expect("readable"), []);
        }
        model.check(&open(&dir));
        // Old snapshots show what they showed.
        for (memory, model) in kept {
            model.check(&memory);
        }
    }
}
