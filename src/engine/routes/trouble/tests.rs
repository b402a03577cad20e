use super::*;
use crate::engine::vocab::Refusal;

#[test]
fn what_stays_is_said_once_and_what_changes_at_once_or_after_a_minute() {
    use News::{Changed, Nothing, Reminder};
    let said = |words: &str| Obstacle::Bird(Refusal::Said(words.to_string()));
    let mut slot = None;
    let moments = [
        (0, said("a"), Changed),
        (1, said("a"), Nothing),
        (2, said("b"), Nothing),
        (59, said("c"), Nothing),
        (60, said("c"), Nothing),
        (61, said("d"), Changed),
        (120, said("e"), Nothing),
        (121, said("f"), Changed),
        (3720, said("f"), Nothing),
        (3721, said("f"), Reminder),
        (3722, said("f"), Nothing),
        (7320, said("f"), Nothing),
        (7321, said("f"), Reminder),
        (7322, Obstacle::Bird(Refusal::TimedOut), Changed),
        (7323, Obstacle::File("full".to_string()), Changed),
        (7324, Obstacle::File("gone".to_string()), Nothing),
    ];
    let count = moments.len() as u32;
    for (second, obstacle, news) in moments {
        let now = Mono::from_micros(1_000_000 * (second + 1));
        assert_eq!(
            Trouble::add(&mut slot, obstacle.clone(), now),
            news,
            "{second}"
        );
        assert_eq!(
            slot.as_ref().map(|trouble| &trouble.obstacle),
            Some(&obstacle)
        );
    }
    let end = Mono::from_micros(8_001_000_000);
    let so_far = slot.map(|trouble| trouble.so_far(end));
    assert_eq!(so_far, Some((count, Duration::from_secs(8000))));
}
