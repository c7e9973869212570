use super::*;

fn walk(links: &[(u64, u64)], first: u64) -> (Vec<u64>, bool) {
    let mut chain = Chain::new(Addr::new(first));
    let mut seen = Vec::new();
    while let Some(at) = chain.at() {
        seen.push(at.get());
        let next = links
            .iter()
            .find(|(from, _)| *from == at.get())
            .map_or(0, |(_, to)| *to);
        if chain.advance(Addr::new(next)).is_err() {
            return (seen, true);
        }
    }
    (seen, false)
}

#[test]
fn a_chain_ends_at_nil() {
    assert_eq!(walk(&[], 0), (vec![], false));
    assert_eq!(walk(&[(1, 2), (2, 3)], 1), (vec![1, 2, 3], false));
}

#[test]
fn a_chain_that_goes_in_circles_is_noticed() {
    assert_eq!(walk(&[(1, 1)], 1), (vec![1], true));
    for (length, back_to) in [(2, 1), (3, 2), (100, 1), (100, 50), (100, 100)] {
        let mut links: Vec<(u64, u64)> = (1..length).map(|i| (i, i + 1)).collect();
        links.push((length, back_to));
        let (seen, circular) = walk(&links, 1);
        assert!(circular);
        assert!(
            seen.len() as u64 <= 4 * length,
            "{length} back to {back_to}: {}",
            seen.len()
        );
    }
}
