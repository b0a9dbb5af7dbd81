//! A world around the function for the simulation and the benches: instances of it, AWS, and
//! queues that behave like SQS.

pub(crate) mod aws;
pub(crate) mod fifo_queue;
pub(crate) mod function;
