//! The project's own commands and files, held to real servers and to the tools that others use.

mod clauses;
mod generations;
mod jsonnet;
mod layers;
mod lint;
mod pages;
mod readme;
mod rules;
mod servers;
mod variants;
mod watchers;
