"""Feature tables in the formats that openSMILE, audformat and pandas write."""
