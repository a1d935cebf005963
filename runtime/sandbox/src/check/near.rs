//! What somebody may have meant.

/// Names longer than this are not compared: nobody mistypes them.
const COMPARED_BYTES_MAX: usize = 80;

/// The name among `known` that is nearest to `name`, if one is near: at most a third of its letters
/// away.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let near = known.map(|other| (distance(name, other), other));
    let (away, other) = near.min_by_key(|(away, _)| *away)?;
    (away <= name.len().max(other.len()) / 3).then_some(other)
}

/// Letters to insert, delete or replace to get from one to the other (Levenshtein's distance).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, left) in left.bytes().enumerate() {
        let mut diagonal = above;
        let mut before = above + 1;
        let mut next = vec![before];
        for (right, up) in right.bytes().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left != right);
            before = replaced.min(before + 1).min(up + 1);
            diagonal = *up;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod a_near_name {
    use super::*;

    #[test]
    fn is_a_few_letters_away() {
        let known = ["fd_write", "fd_read", "path_open"];
        assert_eq!(nearest("fd_wirte", known.into_iter()), Some("fd_write"));
        assert_eq!(nearest("open", known.into_iter()), None);
        assert_eq!(nearest("fd_write", core::iter::empty()), None);
    }

    #[test]
    fn is_measured_in_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
