//! Which list a public key belongs to.
//!
//! # Place in the flow
//!
//! Asked before a list's pairs are used. With one key for two lists a member of the one could have
//! opened what he captured as a member of the other: its content key is new to the second list
//! (contract S19, S22).
//!
//! # Invariants
//!
//! * Of several lists the one that the certificate names keeps the key, else the first in the order
//!   of [`Lists::all`]: a copied key does not take the list out of service that it was made for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::permission::RelayUser;
use crate::model::Address;
use crate::pki::KeyPair;
use crate::store::keys::{self, KeyRing};
use crate::store::lists::Lists;

/// The public keys of all lists, looked up anew every few seconds.
#[derive(Debug, Default)]
pub struct KeyClaims(Mutex<Option<(Instant, Arc<Holders>)>>);

type Holders = HashMap<Vec<u8>, Address>;

impl KeyClaims {
    /// Returns the ring of `directory` without the pairs that are another list's than `own`, each of
    /// them a problem: what the daemon uses and what `listseal check` tells are the same.
    #[must_use]
    pub fn own(
        &self,
        ring: Arc<KeyRing>,
        lists: &Lists,
        user: RelayUser,
        directory: &Path,
        own: Option<&Address>,
    ) -> Arc<KeyRing> {
        ring.own(directory, |pair| {
            let holder = self.holder(lists, user, pair);
            holder.filter(|holder| Some(holder) != own)
        })
    }

    /// Returns the list that a pair belongs to, where any list has its certificate.
    fn holder(&self, lists: &Lists, user: RelayUser, pair: &KeyPair) -> Option<Address> {
        let holders = self.current(lists, user);
        holders.get(pair.certificate.spki_der()).cloned()
    }

    fn current(&self, lists: &Lists, user: RelayUser) -> Arc<Holders> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, holders)) = known.as_ref()
            && at.elapsed() < KEPT
        {
            return holders.clone();
        }
        let mut holders = Holders::new();
        for list in lists.all().0 {
            for certificate in keys::certificates(&list.path, user) {
                let key = certificate.spki_der().to_vec();
                if certificate.names(&list.address) {
                    holders.insert(key, list.address.clone());
                } else {
                    holders.entry(key).or_insert_with(|| list.address.clone());
                }
            }
        }
        let holders = Arc::new(holders);
        *known = Some((Instant::now(), holders.clone()));
        holders
    }
}

/// A copied key is an administrator's mistake, not an attack: seconds do.
const KEPT: Duration = Duration::from_secs(5);
