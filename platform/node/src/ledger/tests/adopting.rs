//! A log that takes in leaves of which only the entries are known, as a node that joins does.

use super::*;

/// A ledger of so many receipts, all published.
async fn published(dir: &Path, count: u64) -> (Ledger, Vec<ReceiptId>) {
    let ledger = open_in(dir, slow()).unwrap();
    let ids: Vec<_> = (0..count).map(|number| append(&ledger, number)).collect();
    if let Some(last) = ids.last() {
        proved(&ledger, *last).await;
    }
    (ledger, ids)
}

fn root(ledger: &Ledger) -> (u64, Hash) {
    let head = ledger.heads.borrow();
    (head.size(), head.edge.root())
}

/// Entries as `ledger` tells them, of which each has this change made to it.
fn told(ledger: &Ledger, first: u64, change: u8) -> Option<Vec<u8>> {
    let mut entries = ledger.entries(first);
    entries.iter_mut().for_each(|byte| *byte ^= change);
    Some(entries)
}

#[tokio::test]
async fn is_the_same_log_and_goes_on_from_there() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, ids) = published(one.path(), 700).await;
    let joins = Receipts::new(open_in(other.path(), slow()).unwrap(), None);
    let fetch = async |first| told(&whole, first, 0);
    joins.catch_up(root(&whole), &|first| fetch(first)).await.unwrap();
    assert_eq!(root(joins.log()), root(&whole));
    assert_eq!(joins.log().tile("entries/000"), whole.tile("entries/000"));
    assert_eq!(joins.log().tile("0/002.p/188"), whole.tile("0/002.p/188"));
    assert_eq!(
        joins.log().receipt(ids[5], None).await,
        Found::Unknown,
        "it has no receipts of then"
    );
    let next = append(joins.log(), 700);
    assert_eq!(proved(joins.log(), next).await.index, 700);
    assert_eq!(append(&whole, 700), next);
    proved(&whole, next).await;
    assert_eq!(root(joins.log()), root(&whole));
    joins.close(Duration::ZERO).await;
    drop(joins);
    let again = open_in(other.path(), slow()).unwrap();
    assert_eq!((root(&again), proved(&again, next).await.index), (root(&whole), 700));
}

#[tokio::test]
async fn takes_nothing_that_leads_elsewhere() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, _) = published(one.path(), 300).await;
    let (mine, _) = published(other.path(), 40).await;
    let (before, note) = (root(&mine), mine.checkpoint());
    let joins = Receipts::new(mine, None);
    let wrong = async |first| told(&whole, first, 1);
    assert!(joins.catch_up(root(&whole), &|first| wrong(first)).await.is_err());
    let nobody = async |_: u64| None;
    assert!(joins.catch_up(root(&whole), &|first| nobody(first)).await.is_err());
    let short = async |first| told(&whole, first, 0).map(|entries| entries[..33].to_vec());
    assert!(joins.catch_up(root(&whole), &|first| short(first)).await.is_err());
    assert_eq!((root(joins.log()), joins.log().checkpoint()), (before, note));
    let right = async |first| told(&whole, first, 0);
    joins.catch_up(root(&whole), &|first| right(first)).await.unwrap();
    assert_eq!(root(joins.log()), root(&whole));
    joins.close(Duration::ZERO).await;
    drop(joins);
    assert_eq!(root(&open_in(other.path(), slow()).unwrap()), root(&whole));
}
