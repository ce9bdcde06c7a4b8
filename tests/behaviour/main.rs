//! Behaviour.
fn main(){}
