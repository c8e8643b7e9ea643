//! Finds the shortest way from one sequence to another, by Myers' algorithm in linear space.
//!
//! Ids that only one side has are set aside first. The search for a split is cut off at [`MAX_COST`], so the time is at
//! most length × cost for any input. A cut-off search may find a longer way than the shortest, but never a wrong way.

/// The search for a middle stops at this cost and takes the best split so far.
const MAX_COST: usize = 100;

/// Returns pairs of positions at which both sequences have the same id, ascending in both.
pub fn align(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    let (kept_a, kept_b) = common(a, b);
    let ids_a: Vec<u32> = kept_a.iter().map(|at| a[*at]).collect();
    let ids_b: Vec<u32> = kept_b.iter().map(|at| b[*at]).collect();
    let mut matches = Vec::new();
    walk(&ids_a, &ids_b, &mut matches);
    matches.into_iter().map(|(at_a, at_b)| (kept_a[at_a], kept_b[at_b])).collect()
}

/// Returns the positions of ids that both sides have.
fn common(a: &[u32], b: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let count = a.iter().chain(b).max().map_or(0, |most| *most as usize + 1);
    let mut sides = vec![0_u8; count];
    a.iter().for_each(|id| sides[*id as usize] |= 1);
    b.iter().for_each(|id| sides[*id as usize] |= 2);
    let kept = |ids: &[u32]| (0..ids.len()).filter(|at| sides[ids[*at] as usize] == 3).collect();
    (kept(a), kept(b))
}

/// A part of both sequences that is not aligned yet.
#[derive(Clone, Copy, Debug)]
struct Part {
    a: (usize, usize),
    b: (usize, usize),
}

fn walk(a: &[u32], b: &[u32], matches: &mut Vec<(usize, usize)>) {
    let mut search = Search::new(a.len() + b.len());
    let mut waiting = vec![Part { a: (0, a.len()), b: (0, b.len()) }];
    while let Some(part) = waiting.pop() {
        let (mut a0, mut a1) = part.a;
        let (mut b0, mut b1) = part.b;
        while a0 < a1 && b0 < b1 && a[a0] == b[b0] {
            matches.push((a0, b0));
            a0 += 1;
            b0 += 1;
        }
        while a0 < a1 && b0 < b1 && a[a1 - 1] == b[b1 - 1] {
            a1 -= 1;
            b1 -= 1;
            matches.push((a1, b1));
        }
        if a0 == a1 || b0 == b1 {
            continue;
        }
        let (x, y) = search.middle(&a[a0..a1], &b[b0..b1]);
        // A split at an end of both sequences would make the same part again, without end.
        debug_assert!((1..a1 - a0 + b1 - b0).contains(&(x + y)), "the split ({x}, {y}) leaves one part as it was");
        waiting.push(Part { a: (a0 + x, a1), b: (b0 + y, b1) });
        waiting.push(Part { a: (a0, a0 + x), b: (b0, b0 + y) });
    }
    // Matches at the end of a part are found first, so the list is sorted last.
    matches.sort_unstable();
}

/// The furthest positions reached on each diagonal, forwards and backwards.
#[derive(Debug)]
struct Search {
    forward: Vec<isize>,
    backward: Vec<isize>,
}

impl Search {
    fn new(length: usize) -> Self {
        let diagonals = 2 * length.min(MAX_COST) + 5;
        Search { forward: vec![0; diagonals], backward: vec![0; diagonals] }
    }

    /// Returns a point on a shortest way, or on a good way when the search is cut off. The point is neither the
    /// beginning nor the end of both sequences. Both sequences must be non-empty, and differ in their first and in
    /// their last ids.
    fn middle(&mut self, a: &[u32], b: &[u32]) -> (usize, usize) {
        let (n, m) = (a.len() as isize, b.len() as isize);
        let delta = n - m;
        let cost = MAX_COST.min((a.len() + b.len()).div_ceil(2)) as isize;
        // Diagonal k of the forward search lies at index k + centre. The backward search numbers its diagonals from the
        // far corner.
        let centre = cost + 1;
        let index = |k: isize| (k + centre) as usize;
        self.forward[index(1)] = 0;
        self.backward[index(1)] = 0;
        let mut best = (0, (0, 0));
        for d in 0..=cost {
            for k in (-d..=d).step_by(2) {
                let mut x = if k == -d || (k != d && self.forward[index(k - 1)] < self.forward[index(k + 1)]) {
                    self.forward[index(k + 1)]
                } else {
                    self.forward[index(k - 1)] + 1
                };
                let mut y = x - k;
                while x < n && y < m && x >= 0 && y >= 0 && a[x as usize] == b[y as usize] {
                    x += 1;
                    y += 1;
                }
                self.forward[index(k)] = x;
                if x <= n && y <= m && y >= 0 {
                    if x + y > best.0 {
                        best = (x + y, (x, y));
                    }
                    let other = delta - k;
                    let met = delta % 2 != 0 && other.abs() < d && x + self.backward[index(other)] >= n;
                    if met {
                        return (x as usize, y as usize);
                    }
                }
            }
            for k in (-d..=d).step_by(2) {
                let mut x = if k == -d || (k != d && self.backward[index(k - 1)] < self.backward[index(k + 1)]) {
                    self.backward[index(k + 1)]
                } else {
                    self.backward[index(k - 1)] + 1
                };
                let mut y = x - k;
                while x < n && y < m && x >= 0 && y >= 0 && a[(n - 1 - x) as usize] == b[(m - 1 - y) as usize] {
                    x += 1;
                    y += 1;
                }
                self.backward[index(k)] = x;
                if x <= n && y <= m && y >= 0 {
                    if x + y > best.0 {
                        best = (x + y, (n - x, m - y));
                    }
                    let other = delta - k;
                    let met = delta % 2 == 0 && other.abs() <= d && x + self.forward[index(other)] >= n;
                    if met {
                        return ((n - x) as usize, (m - y) as usize);
                    }
                }
            }
        }
        (best.1.0 as usize, best.1.1 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &[u32], b: &[u32]) -> usize {
        let matches = align(a, b);
        assert!(matches.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
        assert!(matches.iter().all(|(x, y)| a[*x] == b[*y]));
        matches.len()
    }

    /// Returns the length of the longest common subsequence, by the plain table algorithm.
    fn longest(a: &[u32], b: &[u32]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut corner = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y { corner + 1 } else { above.max(row[at]) };
                corner = above;
            }
        }
        row[b.len()]
    }

    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    fn sequence(state: &mut u64, length: u64, ids: u64) -> Vec<u32> {
        (0..length).map(|_| u32::try_from(random(state, ids)).unwrap()).collect()
    }

    #[test]
    fn equal_and_empty_sequences() {
        assert_eq!(check(&[], &[]), 0);
        assert_eq!(check(&[1], &[]), 0);
        assert_eq!(check(&[1, 2, 3], &[1, 2, 3]), 3);
        assert_eq!(check(&[1, 2, 3], &[4, 5]), 0);
    }

    #[test]
    fn short_sequences_get_the_longest_alignment() {
        let mut state = 1;
        for _ in 0..20_000 {
            let (length_a, length_b) = (random(&mut state, 14), random(&mut state, 14));
            let ids = 1 + random(&mut state, 5);
            let (a, b) = (sequence(&mut state, length_a, ids), sequence(&mut state, length_b, ids));
            assert_eq!(check(&a, &b), longest(&a, &b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn long_unlike_sequences_take_bounded_time() {
        let mut state = 2;
        let a = sequence(&mut state, 100_000, 40);
        let b = sequence(&mut state, 100_000, 40);
        assert!(check(&a, &b) > 10_000);
    }
}
