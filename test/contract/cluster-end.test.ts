import { startCluster } from "../harness/index.ts";
import { clusterEndContract } from "./cluster-end.contract.ts";

clusterEndContract("a real cluster", startCluster);
