import { startCluster } from "../harness/index.ts";
import { clusterApiContract } from "./cluster-api.contract.ts";

clusterApiContract("a real cluster", startCluster);
