//! Adding names to a list and removing names from it.

/// The list after adding and removing names; `None` when there is nothing to add or remove.
pub fn edit_list(current: &[String], added: &[String], removed: &[String]) -> Option<Vec<String>> {
    if added.is_empty() && removed.is_empty() {
        return None;
    }
    let kept = current.iter().filter(|name| !removed.contains(name));
    let new = added.iter().filter(|name| !current.contains(name));
    Some(kept.chain(new).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_added_to_and_removed_from_a_list() {
        let list = |text: &str| -> Vec<String> {
            text.split_whitespace().map(ToOwned::to_owned).collect()
        };
        let current = list("a b");
        assert_eq!(edit_list(&current, &[], &[]), None);
        assert_eq!(
            edit_list(&current, &list("c a"), &list("b x")),
            Some(list("a c"))
        );
    }
}
