//! "Did you mean …?"

/// What other tools call it → what it is called here. Nearness of letters would lead astray.
const ALSO_CALLED: [(&str, &str); 12] = [
    ("netcdf4", "hdf5"),
    ("netcdf", "auto"),
    ("h5", "hdf5"),
    ("nc4", "hdf5"),
    ("grib2", "grib"),
    ("tiff", "geotiff"),
    ("cog", "geotiff"),
    ("latest", "newest"),
    ("whole", "all"),
    ("kerchunk", "kerchunk-json"),
    ("none", "anonymous"),
    ("warning", "warn"),
];

/// The word nearest to what was written, if it is near enough to be meant.
pub fn nearest<'w>(written: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let words: Vec<&'w str> = words.into_iter().collect();
    let written_folded = fold(written);
    let known = ALSO_CALLED.iter().find(|(other, word)| *other == written_folded && words.contains(word));
    if let Some((_, word)) = known {
        return Some(word);
    }
    let length = written_folded.chars().count();
    if length > 100 {
        return None;
    }
    let limit = (length / 3).clamp(1, 3);
    words
        .into_iter()
        .map(|word| (distance(&written_folded, &fold(word)), word))
        .filter(|(distance, word)| *distance <= limit && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `did you mean "x"?`, else the words that are possible.
pub fn did_you_mean<'w>(written: &str, words: impl IntoIterator<Item = &'w str> + Clone) -> String {
    if let Some(word) = nearest(written, words.clone()) {
        return format!("did you mean {word:?}?");
    }
    let words: Vec<&str> = words.into_iter().collect();
    if words.is_empty() { "remove it".to_owned() } else { format!("possible: {}", words.join(", ")) }
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// How many letters to insert, remove, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(letter != other);
            let mut least = replaced.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}
