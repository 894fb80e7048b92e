//! Writes the notices: what was refused, held, registered, could not be sealed.
//!
//! # Place in the flow
//!
//! plan items → **notice** → [`Rendered`] → (seal signs or seals it) → deliver.
//!
//! # Trust
//!
//! The text is the administrator's, the values may be a stranger's; the header is ours alone.
//!
//! # Invariants
//!
//! * Only this module makes [`Rendered`]; no subject and no body of a message enters it (contract
//!   S39, S42).
//! * Whether an answer may be sent at all is [`manners::may_answer`], how often [`limits::History`]
//!   (S38).
//!
//! # See also
//!
//! `docs/templates.md`, RFC 3834.

pub mod facts;
pub mod kind;
pub mod limits;
pub mod manners;
pub mod rendered;
pub mod templates;
pub mod wording;

pub use facts::Facts;
pub use kind::{Audience, Kind, Shape, Variable};
pub use rendered::{Attachment, Rendered};
pub use templates::{Letter, Loader, RenderError, Source, TemplateError, Templates, check};
