import { startCluster } from "../harness/index.ts";
import { workloadApiContract } from "./workload-api.contract.ts";

workloadApiContract("a real cluster", startCluster);
