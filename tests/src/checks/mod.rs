//! What must hold, asked of a network: the tree, the addresses, who reaches whom.

pub mod addresses;
pub mod reach;
pub mod tree;
