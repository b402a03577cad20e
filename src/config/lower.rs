//! Small letters, as Python's `str.lower` makes them: names of options are compared in them.
//!
//! The standard library can do that too, with tables for both directions that take 25 kB of the program; here the
//! same mapping is written as runs of letters. One rule is simplified: where a capital sigma ends a word, every
//! character beyond ASCII is taken for a letter.

/// Runs of capitals, in three characters each: first and last capital, and what the first one becomes. Where that
/// is the very next character, capitals and small letters take turns.
const RUNS: &str = "\
    ÀÖà ØÞø ĀĮā ĲĶĳ ĹŇĺ ŊŶŋ ŸŸÿ ŹŽź ƁƁɓ ƂƄƃ ƆƆɔ ƇƇƈ ƉƊɖ ƋƋƌ ƎƎǝ ƏƏə ƐƐɛ ƑƑƒ ƓƓɠ ƔƔɣ ƖƖɩ ƗƗɨ ƘƘƙ \
    ƜƜɯ ƝƝɲ ƟƟɵ ƠƤơ ƦƦʀ ƧƧƨ ƩƩʃ ƬƬƭ ƮƮʈ ƯƯư ƱƲʊ ƳƵƴ ƷƷʒ ƸƸƹ ƼƼƽ ǄǄǆ ǅǅǆ ǇǇǉ ǈǈǉ ǊǊǌ ǋǛǌ ǞǮǟ ǱǱǳ \
    ǲǴǳ ǶǶƕ ǷǷƿ ǸȞǹ ȠȠƞ ȢȲȣ ȺȺⱥ ȻȻȼ ȽȽƚ ȾȾⱦ ɁɁɂ ɃɃƀ ɄɄʉ ɅɅʌ ɆɎɇ ͰͲͱ ͶͶͷ ͿͿϳ ΆΆά ΈΊέ ΌΌό ΎΏύ ΑΡα \
    ΣΫσ ϏϏϗ ϘϮϙ ϴϴθ ϷϷϸ ϹϹϲ ϺϺϻ ϽϿͻ ЀЏѐ АЯа ѠҀѡ ҊҾҋ ӀӀӏ ӁӍӂ ӐԮӑ ԱՖա ႠჅⴀ ჇჇⴧ ჍჍⴭ ᎠᏯꭰ ᏰᏵᏸ ᲉᲉᲊ ᲐᲺა \
    ᲽᲿჽ ḀẔḁ ẞẞß ẠỾạ ἈἏἀ ἘἝἐ ἨἯἠ ἸἿἰ ὈὍὀ ὙὙὑ ὛὛὓ ὝὝὕ ὟὟὗ ὨὯὠ ᾈᾏᾀ ᾘᾟᾐ ᾨᾯᾠ ᾸᾹᾰ Ὰ\u{1fbb}ὰ ᾼᾼᾳ \
    Ὲ\u{1fcb}ὲ ῌῌῃ ῘῙῐ Ὶ\u{1fdb}ὶ ῨῩῠ Ὺ\u{1feb}ὺ ῬῬῥ Ὸ\u{1ff9}ὸ Ὼ\u{1ffb}ὼ ῼῼῳ \u{2126}\u{2126}ω \
    \u{212a}\u{212a}k \u{212b}\u{212b}å ℲℲⅎ ⅠⅯⅰ ↃↃↄ ⒶⓏⓐ ⰀⰯⰰ ⱠⱠⱡ ⱢⱢɫ ⱣⱣᵽ ⱤⱤɽ ⱧⱫⱨ ⱭⱭɑ ⱮⱮɱ ⱯⱯɐ ⱰⱰɒ \
    ⱲⱲⱳ ⱵⱵⱶ ⱾⱿȿ ⲀⳢⲁ ⳫⳭⳬ ⳲⳲⳳ ꙀꙬꙁ ꚀꚚꚁ ꜢꜮꜣ ꜲꝮꜳ ꝹꝻꝺ ꝽꝽᵹ ꝾꞆꝿ ꞋꞋꞌ ꞍꞍɥ ꞐꞒꞑ ꞖꞨꞗ ꞪꞪɦ ꞫꞫɜ ꞬꞬɡ ꞭꞭɬ ꞮꞮɪ ꞰꞰʞ \
    ꞱꞱʇ ꞲꞲʝ ꞳꞳꭓ ꞴꟂꞵ ꟄꟄꞔ ꟅꟅʂ ꟆꟆᶎ ꟇꟉꟈ ꟋꟋɤ ꟌꟚꟍ ꟜꟜƛ ꟵꟵꟶ ＡＺａ 𐐀𐐧𐐨 𐒰𐓓𐓘 𐕰𐕺𐖗 𐕼𐖊𐖣 𐖌𐖒𐖳 𐖔𐖕𐖻 𐲀𐲲𐳀 𐵐𐵥𐵰 𑢠𑢿𑣀 𖹀𖹟𖹠 \
    𖺠𖺸𖺻 𞤀𞤡𞤢";

pub fn lower(text: &str) -> String {
    let mut lowered = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        match letter {
            'İ' => lowered.push_str("i\u{307}"),
            'Σ' if ends_word(text, at) => lowered.push('ς'),
            other => lowered.push(small(other)),
        }
    }
    lowered
}

fn small(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let mut runs = RUNS.chars().filter(|c| *c != ' ');
    while let (Some(first), Some(last), Some(target)) = (runs.next(), runs.next(), runs.next()) {
        if (first..=last).contains(&letter) {
            let (offset, first, target) =
                (letter as u32 - first as u32, first as u32, target as u32);
            let is_small = target == first + 1 && offset % 2 == 1;
            return match is_small {
                true => letter,
                false => char::from_u32(target + offset).unwrap_or(letter),
            };
        }
    }
    letter
}

/// Whether the sigma there is the last letter of several.
fn ends_word(text: &str, at: usize) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || !c.is_ascii();
    // These may stand within a word.
    let counts = |c: &char| !matches!(c, '\'' | '.' | ':' | '^' | '`');
    let before = text[..at].chars().rev().find(counts);
    let behind = text[at + 'Σ'.len_utf8()..].chars().find(counts);
    before.is_some_and(is_letter) && !behind.is_some_and(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_as_in_the_standard_library() {
        let mut changed = 0;
        let last = '\u{1ffff}';
        assert!((last..=char::MAX).all(|letter| letter.to_lowercase().eq([letter])));
        for letter in '\0'..last {
            let (text, ours) = (letter.to_string(), lower(&letter.to_string()));
            let theirs = text.to_lowercase();
            // Another compiler may know another Unicode.
            let unknown = char::UNICODE_VERSION != (17, 0, 0) && (ours == text || theirs == text);
            assert!(ours == theirs || unknown, "{letter}: {ours} {theirs}");
            changed += usize::from(ours != text);
        }
        assert_eq!(changed, 1488);
    }

    #[test]
    fn words_are_as_in_the_standard_library() {
        for word in [
            "",
            "Check_Interval",
            "PRÉFIXE",
            "İSTANBUL",
            "ΟΔΟΣ",
            "ΟΔΟΣ_Σ",
            "ΣΟΦΟΣ ΟΔΟΣ",
            "Σ",
            "ΑΣ.",
            "ΑΣ.Α",
            "Α'Σ",
            "1Σ",
            "AΣ",
            "AΣ1",
            "ΣΣ",
            "ВИДНО",
        ] {
            assert_eq!(lower(word), word.to_lowercase(), "{word}");
        }
    }
}
