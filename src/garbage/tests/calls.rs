//! How many storage calls a collection makes: so many for each thing that there is, at every size.

use std::time::{Duration, Instant};

use super::name;
use super::stores::{NOW, Still, blob, manifest, options};
use crate::garbage::{Collection, Options};
use crate::layout;
use crate::registry::tests::recorded::Recorded;
use lighter_hash::Digest;
use lighter_storage::{Memory, Storage as _};

/// The blobs of an image.
const BLOBS: usize = 5;

/// A store of repositories with images, and the manifests.
fn filled(repositories: usize, images: usize) -> (Recorded<Memory>, Vec<(String, Digest)>) {
    let storage = Recorded::<Memory>::default();
    let mut manifests = Vec::new();
    for repository in 0..repositories {
        let name = format!("of/r{repository:04}");
        for image in 0..images {
            let of = |part| blob(storage.inner(), &name, &format!("{name} {image} {part}")).to_string();
            let named: Vec<String> = (0..BLOBS).map(of).collect();
            manifests.push((name.clone(), manifest(storage.inner(), &name, &named.join(" "))));
        }
    }
    (storage, manifests)
}

/// The calls of a collection, by their names, and how many blobs it frees.
fn calls(storage: &Recorded<Memory>, options: Options) -> (Vec<(&'static str, usize)>, u64) {
    storage.take_calls();
    let mut collection = Collection::with(storage, options, NOW, Still::default(), 1 << 20).unwrap();
    assert!(collection.step(Instant::now() + Duration::from_secs(600)).unwrap());
    let mut made = storage.take_calls();
    made.sort_unstable();
    let counts = made.chunk_by(|one, next| one == next).map(|calls| (calls[0], calls.len())).collect();
    (counts, collection.report().blobs)
}

#[test]
fn the_calls_grow_with_what_there_is_and_no_faster() {
    for (repositories, images) in [(2, 20), (8, 20), (4, 40)] {
        let (storage, manifests) = filled(repositories, images);
        let content = manifests.len() * (BLOBS + 1);
        let nothing = calls(&storage, options());
        // A manifest is read once, and no link is. Each of three walks lists what is below a repository, and two of them
        // both kinds of digests in it, the third its uploads. The rest is the same for all sizes.
        let listings = 8 * repositories + 21;
        let expected = vec![
            ("delete-prefix", 2),
            ("enumerate", content / 512 + 2),
            ("get", manifests.len()),
            ("list", listings),
            ("read", manifests.len()),
            ("set", 3),
            ("stat", manifests.len()),
        ];
        assert_eq!(nothing, (expected, 0), "{repositories} repositories with {images} images");

        for (of, digest) in manifests.iter().step_by(2) {
            storage.inner().delete(&layout::revision_link(&name(of), digest)).unwrap();
        }
        let (left, links) = (manifests.len() / 2, manifests.len() / 2 * BLOBS);
        let freed = links + left;
        // One for links, and one for content: each has less than 512.
        let batches = 2;
        let expected = vec![
            // The trace of the first collection goes, too.
            ("delete-prefix", 3 + batches),
            ("discard", links),
            ("discard-blob", freed),
            ("enumerate", content / 512 + 2),
            // A link is read. A batch asks whether the collection is still announced.
            ("get", left + links + batches),
            ("list", listings),
            ("read", left),
            ("set", 3 + batches),
            // The age of content is asked for when its link is found, and again before either goes.
            ("stat", left + 2 * links + freed),
            // A batch looks into the journal.
            ("values", batches),
        ];
        assert_eq!(calls(&storage, options()), (expected, freed as u64), "{repositories}, {images}");
    }
}
