//! What wshost does, seen from outside: the built program, real plugins, real sockets, an independent client.

mod authenticate;
mod backpressure;
mod bad_plugin;
mod blocking;
mod clients;
mod close;
mod common;
mod echo;
mod engine_config;
mod engine_world;
mod event_loops;
mod examples;
mod fragments;
mod groups;
mod handshake;
mod jobs;
mod keepalive;
mod overwritten;
mod panics;
mod prefer_read;
mod protocol_errors;
mod readme;
mod revisions;
mod several_engines;
mod shutdown;
mod timers;
