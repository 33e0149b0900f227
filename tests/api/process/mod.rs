//! The real binary as a process: start, stop, and faults around it.

mod backup_and_restore;
mod clock_differences;
mod database_language;
mod database_outage;
mod failover;
mod full_disk;
mod housekeeping;
mod operator_commands;
mod private_cluster;
mod replica_replacement_under_load;
mod retention;
mod rolling_restart;
mod secret_key_file;
mod service_manager;
mod shutdown;
mod slow_clients;
mod startup;
mod stopped_replica;
mod tls;
mod transaction_pooler;
